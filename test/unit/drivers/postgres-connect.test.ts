/** Sessions on servers that misbehave: they answer, and never close. */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { withClient } from '../../../src/drivers/postgres-common/connect.ts'

/** AuthenticationOk, and ReadyForQuery outside of a transaction. */
const WELCOME = Buffer.from('R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I', 'latin1')

async function server(answer: Buffer | string): Promise<number> {
  const sockets = new Set<Socket>()
  const listening = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).once('data', () => socket.write(answer))
  })
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    listening.close()
  })
  return (listening.address() as AddressInfo).port
}

test('a server that answers nonsense and stays is given up, not waited for', async () => {
  const port = await server('E nonsense')
  await expect(withClient(`host=127.0.0.1 port=${port} user=postgres`, {}, async () => {})).rejects.toMatchObject({
    code: 'SOURCE_UNREACHABLE',
  })
})

test('a server that never closes does not hold up who is done with it', async () => {
  const port = await server(WELCOME)
  const done = await withClient(`host=127.0.0.1 port=${port} user=postgres sslmode=disable`, {}, async () => 'done')
  expect(done).toBe('done')
})
