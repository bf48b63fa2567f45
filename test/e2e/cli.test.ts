/** The command line against a whole stack: a pair, S3, DNS, Temporal and a worker; each verb as a user types it. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cleanup, createCleanup, type Stack, startStack } from '../../scripts/quickstart/stack.ts'
import { findProgram } from '../../scripts/toolbox/find.ts'
import { postgresCommand, reachableFolder } from '../../scripts/toolbox/postgres.ts'
import { queuesOf } from '../../src/cli/doctor/temporal.ts'
import { withClient } from '../../src/drivers/postgres-common/connect.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'
import { answer, holdfast, inTerminal, interrupt, refusal } from '../support/cli.ts'

const LOGICAL = 'shop-logical'
const PHYSICAL = 'shop'
const tmp = process.env['TMPDIR']
let stack: Stack
let cleanup: Cleanup
let out: string
/** Points in the order they were taken. */
const taken: string[] = []

const on = (...args: string[]) => ['--config', stack.configFile, ...args]
const said = (...args: string[]) => holdfast(on(...args))
const ask = <T = Record<string, unknown>>(code: number, ...args: string[]) => answer<T>(on(...args), code)
const refused = (...args: string[]) => refusal(on(...args))

interface Finding {
  area: string
  object: string
  name: string
  ok: boolean
  detail: string
  next?: string
}
const doctor = async (code: number, ...args: string[]) => (await ask<{ findings: Finding[] }>(code, 'doctor', ...args)).findings

beforeAll(async () => {
  cleanup = createCleanup()
  stack = await startStack(() => {}, cleanup, new AbortController().signal)
  out = await reachableFolder('holdfast-cli-')
  await stack.pair.primary.query(
    'create table writes (id bigint primary key, note text not null); insert into writes select n, n::text from generate_series(1, 1000) n',
  )
  for (const { queue } of queuesOf(stack.config))
    await until(() => isServed(queue), { timeoutMs: 120_000, everyMs: 500, what: `a worker on ${queue}` })
}, 300_000)
afterAll(async () => {
  await cleanup?.end()
  if (out) await rm(out, { recursive: true, force: true, maxRetries: 5 })
  if (tmp === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = tmp
}, 180_000)

/** As the protocol numbers the activities of a queue. */
const ACTIVITIES = 2
async function isServed(queue: string): Promise<boolean> {
  const { connection } = stack.client
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace: 'default',
    taskQueue: { name: queue },
    taskQueueType: ACTIVITIES,
  })
  return pollers.length > 0
}

describe('doctor and apply', { timeout: 300_000 }, () => {
  it('doctor finds what apply has not made yet, and says what to do about each finding', async () => {
    const findings = await doctor(3)
    expect([...new Set(findings.map(({ area }) => area))]).toEqual([
      'config',
      'secrets',
      'tools',
      'repositories',
      'temporal',
      'sources',
      'servers',
    ])
    const ill = findings.filter(({ ok }) => !ok)
    for (const finding of ill) expect(finding.next, `${finding.object} ${finding.name}`).toMatch(/\S/)
    expect(ill.filter(({ area }) => area === 'temporal').map(({ name, next }) => [name, next])).toEqual([
      ['search attributes', 'holdfast apply'],
      ['schedules', 'holdfast apply --dry-run, then holdfast apply'],
    ])
  })

  it('nothing is started that would stand still: apply comes first', async () => {
    expect(await refused('backup', LOGICAL)).toMatchObject({ code: 'NOT_READY', exitCode: 4, next: 'holdfast apply' })
  })

  it('apply --dry-run shows the difference and changes nothing; apply makes it; again there is none', async () => {
    const wanted = await ask<{ create: string[]; searchAttributes: string[] }>(0, 'apply', '--dry-run')
    expect(wanted.searchAttributes).toContain('HoldfastSource')
    expect(wanted.create).toContain('holdfast/shop-logical/logical')
    expect(await ask(0, 'apply')).toEqual(wanted)
    expect(await ask(0, 'apply', '--dry-run')).toMatchObject({
      searchAttributes: [],
      create: [],
      update: [],
      delete: [],
      unchanged: wanted.create,
    })
  })

  it('doctor is content with Temporal then, with every queue served', async () => {
    const findings = await doctor(0, '--only', 'temporal', '--only', 'repositories')
    expect(findings.filter(({ name }) => name === 'worker').map(({ object }) => object)).toEqual([
      'holdfast',
      'holdfast-data',
      'holdfast-host-east',
      'holdfast-host-west',
    ])
    expect(findings.filter(({ area }) => area === 'repositories').map(({ name }) => name)).toContain('nothing is overwritten')
  })

  it('doctor looks at clock, encryption, versions and grants of both sites; what it says is done, and it is content', async () => {
    const local = ['servers', 'secrets', 'tools', 'config'].flatMap((area) => ['--only', area])
    const findings = await doctor(3, ...local)
    const names = new Set(findings.filter(({ area }) => area === 'servers').map(({ name }) => name))
    for (const name of ['clock', 'TLS', 'versions', 'grants: backup', 'grants: verify', 'grants: fence', 'grants: rewind'])
      expect(names).toContain(name)
    const [finding, ...others] = findings.filter(({ ok }) => !ok)
    expect([finding?.name, others]).toEqual(['slots', []])
    for (const statement of (finding?.next ?? '').replace('<what the disk can spare>', '1GB').split(';'))
      await stack.pair.primary.query(statement)
    await until(async () => (await said('doctor', ...local)).code === 0, { timeoutMs: 120_000, what: 'doctor to be content' })
  })
})

describe('taking and proving', { timeout: 300_000 }, () => {
  it('backup tells each step once, in plain lines, and then the point', async () => {
    const { code, stdout, stderr } = await said('backup', LOGICAL, '--tag', 'first', '--description', 'by hand')
    expect(code, stderr).toBe(0)
    taken.push(/^(\d{8}_\d{6}_manual): \S+ \S+ in \S+ s$/.exec(stdout.trim())?.[1] ?? 'none')
    const lines = stderr.trim().split('\n')
    expect(new Set(lines).size).toBe(lines.length)
    expect(stderr).not.toContain('\r')
    expect(stderr).toMatch(/^ {2}done {5}publish/m)
  })

  it('the same workflow starts from the temporal command line, and follow sees it to its end', async () => {
    const { address } = stack.temporal
    const args = [
      'workflow',
      'start',
      '--address',
      address,
      '--task-queue',
      'holdfast',
      '--type',
      'backup',
      '--workflow-id',
      'by-temporal',
      '--input',
      `{"source":"${LOGICAL}"}`,
    ]
    await run({ program: findProgram('temporal'), args }, { timeoutMs: 60_000 })
    const result = await ask<{ id: string; outcome: string }>(0, 'follow', 'by-temporal')
    expect(result.outcome).toBe('success')
    taken.push(result.id)
  })

  it('list and show have both points, with everything known of them', async () => {
    expect((await ask<{ points: { id: string }[] }>(0, 'list', LOGICAL)).points.map(({ id }) => id)).toEqual(taken)
    expect((await ask<{ points: { id: string }[] }>(0, 'list', LOGICAL, '--tag', 'first')).points.map(({ id }) => id)).toEqual(
      taken.slice(0, 1),
    )
    const { manifest, proofs } = await ask<{ manifest: { description: string; artifacts: unknown[] }; proofs: unknown[] }>(
      0,
      'show',
      LOGICAL,
      taken[0] ?? '',
    )
    expect([manifest.description, manifest.artifacts.length, proofs.length]).toEqual(['by hand', 2, 0])
  })

  it('status asks for attention while nothing is proved', async () => {
    expect((await said('status')).code).toBe(3)
  })

  it('verify proves a point, and then it is good', async () => {
    expect(await ask(0, 'verify', LOGICAL, taken[0] ?? '')).toMatchObject({ ok: true, depth: 'full', failures: [] })
    expect((await ask<{ points: { id: string }[] }>(0, 'list', LOGICAL, '--good')).points.map(({ id }) => id)).toEqual(taken.slice(0, 1))
    expect((await said('show', LOGICAL, taken[0] ?? '')).stdout).toMatch(/^proof full passed/m)
  })
})

describe('a run under way', { timeout: 300_000 }, () => {
  it('Ctrl-C leaves it and says how to watch and stop it; a second backup is BUSY; cancel undoes it', async () => {
    await withClient(stack.pair.primary.connection(), {}, async (client) => {
      await client.query('begin; lock table writes in access exclusive mode')
      const left = await interrupt(on('backup', LOGICAL), /capture/)
      expect(left.code).toBe(130)
      const id = /^detached: (\S+) goes on$/m.exec(left.stdout)?.[1] ?? 'none'
      expect(left.stdout).toContain(`holdfast cancel ${id}`)

      const status = await ask<{ running: { workflowId: string }[] }>(3, 'status')
      expect(status.running.map(({ workflowId }) => workflowId)).toContain(id)
      expect(await ask(0, 'status', '--run', id)).toMatchObject({ status: 'RUNNING', phase: 'capture' })
      expect(await refused('backup', LOGICAL)).toMatchObject({ code: 'BUSY', exitCode: 5 })

      expect(await ask(0, 'cancel', id)).toEqual({ workflowId: id, cancelRequested: true })
      expect(await refused('follow', id)).toMatchObject({ code: 'CANCELLED', exitCode: 130 })
      await client.query('rollback')
    })
    expect((await ask<{ points: { id: string }[] }>(0, 'list', LOGICAL)).points.map(({ id }) => id)).toEqual(taken)
  })
})

describe('in a terminal', { timeout: 300_000 }, () => {
  it('one line is replaced with what the activities report, finished steps stay above it, and the point is last', async () => {
    const child = inTerminal(on('backup', LOGICAL))
    await withClient(stack.pair.primary.connection(), {}, async (client) => {
      await client.query('begin; lock table writes in access exclusive mode')
      // The phase that a driver tells in its heartbeat, behind the step that runs.
      await until(() => /<replaced>capture: \w+: \w/.test(child.text()), { timeoutMs: 120_000, what: 'a live line with a heartbeat' })
      await client.query('rollback')
    })
    expect(await child.ended).toBe(0)
    // Between the last step and the point another line may have been shown, or none.
    expect(child.text()).toMatch(/<replaced> {2}done [\s\S]*done {5}publish[^\n]*\n(?:[^\n]*<replaced>)?\d{8}_\d{6}_manual: /)
    const { points } = await ask<{ points: { id: string }[] }>(0, 'list', LOGICAL)
    const id = points.at(-1)?.id ?? ''
    await ask(0, 'delete', LOGICAL, id, '--confirm', id)
  })
})

describe('points', { timeout: 300_000 }, () => {
  const [first, second] = [() => taken[0] ?? '', () => taken[1] ?? '']

  it('a held one and the last good one are not deleted, and the refusal says what to do', async () => {
    await ask(0, 'hold', LOGICAL, second(), '--reason', 'a legal case')
    expect(await refused('delete', LOGICAL, second(), '--confirm', second())).toMatchObject({
      code: 'POINT_PROTECTED',
      exitCode: 4,
      object: second(),
      next: expect.stringContaining('--release'),
    })
    expect(await refused('delete', LOGICAL, first(), '--confirm', first())).toMatchObject({
      code: 'POINT_PROTECTED',
      message: expect.stringContaining('last good'),
    })
    expect(await refused('delete', LOGICAL, second(), '--confirm', first())).toMatchObject({ code: 'CONFIRM_MISMATCH', exitCode: 4 })
  })

  it('prune --dry-run tells what it would do with each, and deletes nothing', async () => {
    const [report] = await ask<{ source: string; keep: { id: string }[]; delete: unknown[] }[]>(0, 'prune', LOGICAL, '--dry-run')
    expect(report).toMatchObject({ source: LOGICAL, delete: [] })
    expect(report?.keep.map(({ id }) => id).sort()).toEqual(taken)
  })

  it('released, it is deleted', async () => {
    await ask(0, 'hold', LOGICAL, second(), '--release', '--reason', 'closed')
    await ask(0, 'delete', LOGICAL, second(), '--confirm', second())
    expect((await ask<{ points: { id: string }[] }>(0, 'list', LOGICAL)).points.map(({ id }) => id)).toEqual([first()])
  })

  it('one is restored beside the live database, can be asked, and is discarded', async () => {
    const restored = await ask<{ id: string; instance: string; connection: string }>(0, 'restore', LOGICAL, first())
    const rows = await withClient(
      restored.connection,
      {},
      async (client) => (await client.query('select count(*)::int as rows from writes')).rows,
    )
    expect(rows).toEqual([{ rows: 1000 }])
    await ask(0, 'discard', LOGICAL, restored.instance)
    await expect(withClient(restored.connection, {}, async () => {})).rejects.toThrow()
  })

  it('over the live database it needs the fingerprint', async () => {
    expect(await refused('restore', LOGICAL, '--live')).toMatchObject({ code: 'CONFIRM_MISMATCH', exitCode: 4 })
  })
})

describe('what does not exist', { timeout: 300_000 }, () => {
  it.each([
    [['backup', 'nobody'], 'NOT_FOUND', 6],
    [['list', 'nobody'], 'NOT_FOUND', 6],
    [['show', LOGICAL, '20200101_000000_manual'], 'NOT_FOUND', 6],
    [['restore', LOGICAL, '20200101_000000_manual'], 'NOT_FOUND', 6],
    [['readiness', 'nobody'], 'NOT_FOUND', 6],
    [['rebuild-standby', 'nobody'], 'NOT_FOUND', 6],
    [['follow', 'no/such/run'], 'NOT_FOUND', 6],
    [['status', '--run', 'no/such/run'], 'NOT_FOUND', 6],
    [['approve', 'no/such/run', '--reason', 'x', '--plan', 'y'], 'NOT_FOUND', 6],
    [['cancel', 'no/such/run'], 'NOT_FOUND', 6],
  ])('%j ends with %s and %d', async (args, code, exitCode) => {
    const error = await refused(...args)
    expect(error, JSON.stringify(error)).toMatchObject({ code, exitCode })
    expect(error.next).toMatch(/\S/)
  })
})

describe('a pair', { timeout: 300_000 }, () => {
  it('whose standby streams has nothing rebuilt', async () => {
    const { stdout } = await said('rebuild-standby', 'shop')
    expect(stdout).toMatch(/^west streams from east in shop: nothing was to be done$/m)
  })
})

describe('a physical point', { timeout: 400_000 }, () => {
  it('is taken, and its window is told readably', async () => {
    const { id } = await ask<{ id: string }>(0, 'backup', PHYSICAL, '--kind', 'full')
    taken.push(id)
    const { stdout } = await said('status', '--window')
    expect(stdout).toMatch(/^window of shop: 2\S+ \(\S+\) to 2\S+ \(\S+\), timeline 1, from \d{8}-\d{6}F$/m)
  })

  it('before the window there is nothing to recover', async () => {
    const error = await refused('pitr', PHYSICAL, '--time', '2020-01-01T00:00:00Z')
    expect(error).toMatchObject({
      code: 'TARGET_OUT_OF_RANGE',
      exitCode: 4,
      message: expect.stringContaining('the first recoverable moment is'),
    })
  })
})

describe('without Temporal', { timeout: 400_000 }, () => {
  let offline: string[]
  let env: Record<string, string>

  beforeAll(async () => {
    await stack.temporal.stop()
    const { signing, encryption } = stack.config
    const keys = Object.entries(signing.publicKeys).flatMap(([id, key]) => ['--public-key', `${id}=${key}`])
    offline = ['restore', '--offline', '--repository', 's3://backups', '--identity', encryption.identityFile ?? '', ...keys]
    const { endpoint, caFile, accessKeyId, secretAccessKey } = stack.s3
    env = {
      AWS_ENDPOINT_URL: endpoint,
      AWS_CA_BUNDLE: caFile ?? '',
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_REGION: 'us-east-1',
    }
  })

  it('status still tells of every source, and that Temporal is away; --repo-only asks for nothing else', async () => {
    const status = await ask<{ sources: { source: string; newest: string }[]; temporal: { code: string } }>(8, 'status')
    expect(status.temporal.code).toBe('TEMPORAL_UNREACHABLE')
    expect(status.sources).toMatchObject([
      { source: PHYSICAL, newest: taken.at(-1) },
      { source: LOGICAL, newestGood: taken[0] },
    ])
    expect(await ask(3, 'status', '--repo-only')).toMatchObject({ sources: status.sources.map(({ source }) => ({ source })), running: [] })
  })

  it('what acts says that Temporal is away, with 8', async () => {
    expect(await refused('backup', LOGICAL)).toMatchObject({ code: 'TEMPORAL_UNREACHABLE', exitCode: 8 })
    expect((await doctor(3, '--only', 'temporal')).filter(({ ok }) => !ok)).toMatchObject([{ name: 'reachable' }])
  })

  it('a dump comes back from the bare bucket, without a configuration', async () => {
    const done = await answer<{ id: string; next: string[] }>([...offline, '--into', join(out, 'dump'), LOGICAL], 0, env)
    expect(done.id).toBe(taken[0])
    const file = join(out, 'dump', 'database')
    expect(done.next.at(-1)).toBe(`pg_restore --exit-on-error --create --dbname=postgres ${file}`)
    await stack.pair.primary.query('create database copy')
    await run({ program: findProgram('pg_restore'), args: ['--exit-on-error', `--dbname=${stack.pair.primary.connection('copy')}`, file] })
    expect(await stack.pair.primary.query('select count(*)::int as rows from writes', 'copy')).toEqual([{ rows: 1000 }])
  })

  it('a cluster comes back from the bare bucket, and runs by the command that was printed', async () => {
    const into = join(out, 'cluster')
    const done = await answer<{ next: string[] }>([...offline, '--into', into, PHYSICAL], 0, env)
    const [start = '', connect = ''] = done.next.filter((line) => !line.startsWith('#'))
    await run({ program: 'bash', args: ['-c', start], cwd: '/' }, { timeoutMs: 180_000 })
    try {
      const asked = async () => {
        const query = `${connect} -d shop -At -c 'select count(*), pg_is_in_recovery() from writes'`
        const { stdout } = await run({ program: 'bash', args: ['-c', query], cwd: '/' }, { accept: [0, 1, 2] })
        return stdout.trim()
      }
      await until(async () => (await asked()).endsWith('|f'), { timeoutMs: 120_000, what: 'the restored cluster to take writes' })
      expect(await asked()).toBe('1000|f')
    } finally {
      await run(postgresCommand('pg_ctl', ['-D', join(into, 'data'), '-m', 'immediate', '-w', 'stop']), { accept: [0, 1] })
    }
  })
})
