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
    const say = (hex) => socket.write(Buffer.from(hex, 'hex'))
    if (HELLO) say(HELLO)
    if (ANSWER) socket.on('data', () => (say(ANSWER), socket.end()))
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

/** A message of the server, as it stands on the wire. */
const said = (kind: string, code: string) => {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0Mwords\0\0`)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(fields.length + 4)
  return Buffer.concat([Buffer.from(kind), length, fields]).toString('hex')
}

test.each([
  ['that it lost its postmaster', said('E', '57P01')],
  ['that another one crashed', said('N', '57P02')],
])('last words that a dying backend left unread, %s, are no sign of life', async (_, HELLO) => {
  const { child, site } = await silentServer({ HELLO })
  const witnesses = await openWitnesses(site)
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(await witnesses.survivors(5_000)).toEqual([])
  witnesses.close()
})

test.each([
  ['says last words and stays', { HELLO: said('E', '57P01') }],
  ['lets nobody in who comes like this, and closes', { ANSWER: said('E', '28000') }],
  ['has too many clients, and closes', { ANSWER: said('E', '53300') }],
  ['asks for a password', { ANSWER: Buffer.from('R\0\0\0\x08\0\0\0\x03').toString('hex') }],
])('one that %s is alive', async (_, says) => {
  const { site } = await silentServer(says)
  const witnesses = await openWitnesses(site)
  expect(await witnesses.survivors(300)).toEqual(['the socket opened before'])
  witnesses.close()
})
