import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { type Chain, startChain } from '../../../src/process/chain.ts'
import { command, processesWith, shell, sleeps, uniqueSleep } from './helpers.ts'

async function read(chain: Chain): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of chain.stdout) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

describe('a chain', () => {
  it('hands every byte on', async () => {
    const bytes = 300_000_000
    const chain = startChain([command('head', '-c', String(bytes), '/dev/zero'), command('cat'), command('cat')])
    const digest = createHash('sha1')
    let seen = 0
    for await (const chunk of chain.stdout) {
      seen += chunk.length
      digest.update(chunk)
    }
    await chain.done
    expect(seen).toBe(bytes)
  })

  it('loses nothing where the reader comes after all programs ended', async () => {
    const chain = startChain([shell('seq 1 5000'), command('cat')])
    await delay(500)
    expect((await read(chain)).split('\n').length).toBe(5001)
    await chain.done
  })

  it('takes its input from a stream, or from the first command', async () => {
    expect(await read(startChain([command('tr', 'a-z', 'A-Z'), command('rev')], { stdin: Readable.from([Buffer.from('abc')]) }))).toContain(
      'CBA',
    )
    expect(await read(startChain([{ ...command('cat'), stdin: 'abc' }, command('cat')]))).toBe('abc')
  })

  it('may be one program', async () => {
    const chain = startChain([shell('echo alone')])
    expect(await read(chain)).toBe('alone\n')
    await chain.done
  })
})

describe('a chain that fails', () => {
  const failing = async (chain: Chain): Promise<[unknown, unknown]> => {
    const stream = await read(chain).then(
      (text) => ({ text }),
      (error: unknown) => error,
    )
    return [
      await chain.done.then(
        () => 'done',
        (error: unknown) => error,
      ),
      stream,
    ]
  }

  it('names a middle program that failed though the last exited 0, and its output does not end well', async () => {
    const [failure, stream] = await failing(startChain([shell('seq 1 100'), shell('cat; echo no room >&2; exit 4'), command('cat')]))
    expect(failure).toMatchObject({ code: 'PROCESS_FAILED', message: expect.stringMatching(/exited with 4: no room$/) })
    expect(stream).toBe(failure)
  })

  it('fails for a first program that was killed midway, where all others exit 0', async () => {
    const [failure, stream] = await failing(startChain([shell('echo half a dump; kill -9 $$'), command('gzip', '-c'), command('cat')]))
    expect(failure).toMatchObject({ code: 'PROCESS_FAILED', message: expect.stringContaining('was ended by SIGKILL') })
    expect(stream).toBe(failure)
  })

  it('blames the program that broke, not the one whose reader was gone', async () => {
    const [failure] = await failing(startChain([command('yes'), shell('head -c 100000; echo broke >&2; exit 5'), command('cat')]))
    expect(failure).toMatchObject({ message: expect.stringMatching(/exited with 5: broke$/) })
  })

  it('blames the program that gave nothing, not the next that found nothing and ended before it', async () => {
    const mark = join(tmpdir(), `holdfast-chain-${process.pid}`)
    const silent = shell('exec >&-; until test -e "$1"; do sleep 0.01; done; rm "$1"; echo no key >&2; exit 2', mark)
    const after = shell('cat; echo empty input >&2; touch "$1"; exit 1', mark)
    const [failure] = await failing(startChain([silent, after]))
    expect(failure).toMatchObject({ message: expect.stringMatching(/exited with 2: no key$/) })
  })

  it('does not let a program outlive the one that read from it', async () => {
    const [failure] = await failing(startChain([command('yes'), command('head', '-c', '10')]))
    expect(failure).toMatchObject({ code: 'PROCESS_FAILED', message: expect.stringContaining('yes') })
  })

  it('stops the programs that wait for nothing', async () => {
    const sleep = uniqueSleep()
    const [failure] = await failing(startChain([command('sleep', sleep), shell('exit 6')]))
    expect(failure).toMatchObject({ message: expect.stringContaining('exited with 6') })
    expect(processesWith(sleep)).toEqual([])
  })

  it('fails with its input', async () => {
    const broken = Readable.from(
      (function* () {
        yield Buffer.from('some')
        throw new Error('the download broke')
      })(),
    )
    const [failure, stream] = await failing(startChain([command('cat')], { stdin: broken }))
    expect(failure).toMatchObject({ code: 'PROCESS_FAILED', message: expect.stringContaining('the download broke') })
    expect(stream).toBe(failure)
  })

  it('fails where a program exits 0 without having read all of its input', async () => {
    const much = Readable.from(
      (function* () {
        for (let i = 0; i < 200; i++) yield Buffer.alloc(65536)
      })(),
    )
    const [failure] = await failing(startChain([command('head', '-c', '3')], { stdin: much }))
    expect(failure).toMatchObject({ code: 'PROCESS_FAILED', message: expect.stringContaining('stopped reading') })
  })

  it('starts nothing where a program of it is not installed', () => {
    const sleep = uniqueSleep()
    expect(() => startChain([command('sleep', sleep), command('no-such-program')])).toThrow(
      expect.objectContaining({ code: 'TOOL_MISSING' }),
    )
    expect(processesWith(sleep)).toEqual([])
  })
})

describe('stopping a chain', () => {
  it('leaves no process after an abort, also while data flows', async () => {
    const sleep = uniqueSleep()
    const stop = new AbortController()
    const chain = startChain([shell('yes & sleep "$1"', sleep), shell('cat & sleep "$1"', sleep), command('cat')], { signal: stop.signal })
    await sleeps(sleep)
    stop.abort()
    await expect(chain.done).rejects.toMatchObject({ code: 'CANCELLED' })
    await expect(read(chain)).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(processesWith(sleep)).toEqual([])
  })

  it('ends with the reader of its output', async () => {
    const sleep = uniqueSleep()
    const chain = startChain([shell('echo; sleep "$1"', sleep), command('cat')])
    for await (const _ of chain.stdout) break
    await expect(chain.done).rejects.toMatchObject({ code: 'PROCESS_FAILED', message: expect.stringContaining('not read to its end') })
    expect(processesWith(sleep)).toEqual([])
  })

  it('by stop() resolves when none is left', async () => {
    const sleep = uniqueSleep()
    const chain = startChain([command('sleep', sleep), command('cat')])
    await sleeps(sleep)
    await chain.stop()
    expect(processesWith(sleep)).toEqual([])
    await expect(chain.done).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
  })
})

it('an exit code that is accepted is no failure, and is told with what the program said', async () => {
  const chain = startChain([{ program: 'sh', args: ['-c', 'echo out; echo why >&2; exit 1'] }], { accept: [0, 1] })
  expect(await read(chain)).toBe('out\n')
  await chain.done
  expect(chain.ended()).toEqual([{ exitCode: 1, stderr: 'why\n', truncated: false }])
  const refused = startChain([{ program: 'sh', args: ['-c', 'exit 2'] }], { accept: [0, 1] })
  await expect(read(refused)).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
  const killed = startChain([{ program: 'sh', args: ['-c', 'kill -9 $$'] }], { accept: [0, 1, 2] })
  await expect(read(killed)).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
})
