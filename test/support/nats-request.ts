/** One request to a NATS server, by its text protocol, for tests of what starts it. */
import { connect } from 'node:net'

/** The reply's text. Rejects where the server refuses the client. */
export function natsRequest(port: number, subject: string, body: string, token?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' })
    let received = ''
    const end = (settle: () => void) => {
      socket.destroy()
      settle()
    }
    socket.setEncoding('utf8')
    socket.once('error', reject)
    socket.once('close', () => reject(new Error(`the server closed the connection: ${received}`)))
    socket.write(
      `CONNECT ${JSON.stringify({ verbose: false, pedantic: false, auth_token: token })}\r\n` +
        `SUB reply 1\r\nPUB ${subject} reply ${Buffer.byteLength(body)}\r\n${body}\r\n`,
    )
    socket.on('data', (chunk: string) => {
      received += chunk
      const refusal = /^-ERR (.*)\r$/m.exec(received)?.[1]
      if (refusal) end(() => reject(new Error(refusal)))
      const [head, length] = /^MSG reply 1 (\d+)\r\n/m.exec(received) ?? []
      if (!head) return
      const reply = received.slice(received.indexOf(head) + head.length)
      if (Buffer.byteLength(reply) >= Number(length) + 2) end(() => resolve(reply.slice(0, -2)))
    })
  })
}
