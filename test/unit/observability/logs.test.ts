import { describe, expect, it } from 'vitest'
import { createLogger } from '../../../src/observability/logs.ts'
import { hideSecret } from '../../../src/observability/redaction.ts'
import { run } from '../../../src/process/run.ts'

function lines(): { log: ReturnType<typeof createLogger>; written: string[] } {
  const written: string[] = []
  return { log: createLogger((line) => written.push(line)), written }
}

describe('a log', () => {
  it('is one JSON object a line, with time, level and what is known', () => {
    const { log, written } = lines()
    log.child({ component: 'worker' }).info({ source: 'orders' }, 'taken')
    expect(JSON.parse(written[0] ?? '')).toMatchObject({
      level: 'info',
      component: 'worker',
      source: 'orders',
      msg: 'taken',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
    })
  })

  it('hides a registered secret wherever it is', () => {
    const { log, written } = lines()
    hideSecret('say "friend"')
    hideSecret('say "friend" and enter')
    log.error(
      { env: { PGPASSWORD: 'say "friend"' }, list: ['x say "friend" and enter y'], error: new Error('refused: say "friend"') },
      'with say "friend"',
    )
    expect(written.join()).not.toMatch(/friend|enter/)
    expect(JSON.parse(written[0] ?? '')).toMatchObject({ msg: 'with [hidden]', list: ['x [hidden] y'] })
  })

  it.each(["host=db password='it\\'s hidden' dbname=a", 'host=db password=plainly-hidden dbname=a', 'postgres://ana:url%20hidden@db/a'])(
    'hides the password of the connection string %s alone, too',
    (connection) => {
      const { log, written } = lines()
      hideSecret(connection)
      for (const word of ["it's hidden", 'plainly-hidden', 'url hidden', 'url%20hidden'])
        if (decodeURIComponent(connection.replaceAll('\\', '')).includes(decodeURIComponent(word))) log.info(`with ${word}`)
      expect(written.length).toBeGreaterThan(0)
      for (const line of written) expect(JSON.parse(line).msg).toBe('with [hidden]')
    },
  )

  it('goes to stderr, so that stdout is what a command answers', async () => {
    const script = `import { logger } from ${JSON.stringify(new URL('../../../src/observability/logs.ts', import.meta.url).href)}; logger('test').info('said'); console.log('answer')`
    const { stdout, stderr } = await run({
      program: process.execPath,
      args: ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
    })
    expect(stdout).toBe('answer\n')
    expect(JSON.parse(stderr)).toMatchObject({ component: 'test', msg: 'said' })
  })
})
