/** A fence from outside counts by its read-back only. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { commandFence, releaseCommandFence } from '../../src/failover/fences/command.ts'

let dir: string
let cut: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-fence-'))
  cut = join(dir, 'cut')
})
afterEach(() => rm(dir, { recursive: true, force: true }))

test('a host is fenced once the read-back says so, and a second call finds it fenced', async () => {
  const fence = {
    isolate: ['sh', '-c', `(sleep 0.3; touch ${cut}) &`],
    readBack: ['test', '-e', cut],
    release: ['rm', cut],
    timeoutMs: 20_000,
  }
  expect(await commandFence(fence)).toMatchObject({ proved: true, isolated: 'now', readBack: { exitCode: 0 } })
  expect(await commandFence({ ...fence, isolate: ['false'] })).toMatchObject({ proved: true, isolated: 'already' })
  await releaseCommandFence(fence)
  await expect(commandFence({ ...fence, isolate: ['true'], timeoutMs: 500 })).rejects.toMatchObject({ code: 'FENCE_UNPROVEN' })
})

test('a command that says it isolated the host proves nothing', async () => {
  await expect(commandFence({ isolate: ['true'], readBack: ['test', '-e', cut], timeoutMs: 500 })).rejects.toMatchObject({
    code: 'FENCE_UNPROVEN',
    details: { exitCode: 1 },
  })
})

test('a command that fails after the host was isolated is no failure', async () => {
  const fence = { isolate: ['sh', '-c', `touch ${cut}; exit 1`], readBack: ['test', '-e', cut], timeoutMs: 20_000 }
  expect(await commandFence(fence)).toMatchObject({ proved: true, isolated: 'now' })
})
