/** Witnesses against a server of another process, while this one is held up. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import type { Site } from '../../../src/failover/database/site.ts'
import { knock, openWitnesses } from '../../../src/failover/database/witnesses.ts'

/** Takes connections without a word, and dies `ms` after it is told to. HELLO and ANSWER are said at once, and when asked. */
const SILENT = `
  const { HELLO, ANSWER } = process.env
  const server = require('node:net').createServer((socket) => {
    if (HELLO) socket.write(HELLO)
    if (ANSWER) socket.on('data', () => socket.write(ANSWER))
  }).listen(0, '127.0.0.1', () => console.log(server.address().port))
  process.stdin.once('data', (ms) => setTimeout(() => process.exit(), Number(ms)))`

const stall = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

async function silentServer(says: { HELLO?: string; ANSWER?: string } = {}) {
  const child = spawn(process.execPath, ['-e', SILENT], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...says } })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [port] = (await once(child.stdout, 'data')) as [Buffer]
  const site = {
    name: 'east',
    address: '127.0.0.1',
    port: Number(port),
    database: { user: 'postgres', dbname: 'postgres' },
  } as unknown as Site
  return { child, site }
}

test('a connection that ended while this process was held up beyond its patience is found dead', async () => {
  const { child, site } = await silentServer()
  const witnesses = await openWitnesses(site)
  expect(witnesses).toMatchObject({ socket: 'open', session: 'none' })
  child.stdin.write('300')
  const survivors = witnesses.survivors(500)
  // From here on nothing is read until after the patience.
  setImmediate(() => stall(1_500))
  expect(await survivors).toEqual([])
  witnesses.close()
})

test('a connection that neither answers nor ends counts as alive; a port without a server refuses', async () => {
  const { child, site } = await silentServer()
  const witnesses = await openWitnesses(site)
  expect(await witnesses.survivors(300)).toEqual(['the socket opened before'])
  expect(await knock(site)).toBe('open')
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(await knock(site)).toBe('refused')
  witnesses.close()
})

test('last words that a dying backend left unread are no sign of life', async () => {
  const { child, site } = await silentServer({ HELLO: 'E terminating connection due to unexpected postmaster exit' })
  const witnesses = await openWitnesses(site)
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(await witnesses.survivors(5_000)).toEqual([])
  witnesses.close()
})

test('one that complains and stays is alive; so is one that asks for a password', async () => {
  for (const says of [{ HELLO: 'E too many' }, { ANSWER: 'E no entry' }, { ANSWER: 'R password' }]) {
    const { site } = await silentServer(says)
    const witnesses = await openWitnesses(site)
    expect(await witnesses.survivors(300), JSON.stringify(says)).toEqual(['the socket opened before'])
    witnesses.close()
  }
})
