/** Faults that a test orders with POST /_stand-in/fault. Each meets one request, the next that fits, and is gone. */
import type { ServerResponse } from 'node:http'

export interface Fault {
  /** Of the request, without the query; `*` stands for anything. */
  path: string
  method?: string
  /** Waits so long before it looks at the request. */
  delayMs?: number
  /** Answers with this status and does nothing. */
  status?: number
  error?: string
  /** Cuts the connection after so many bytes of the reply's body. */
  cutAfterBytes?: number
  /** Gives a checksum that the snapshot does not have. */
  wrongChecksum?: boolean
}

const faults: Fault[] = []

export function order(fault: Fault): void {
  faults.push(fault)
}

export function take(method: string, path: string): Fault | undefined {
  const fits = (fault: Fault) => (fault.method ?? method) === method && pattern(fault.path).test(path)
  const index = faults.findIndex(fits)
  return index < 0 ? undefined : faults.splice(index, 1)[0]
}

function pattern(path: string): RegExp {
  return new RegExp(`^${path.replace(/[^\w*/-]/g, '\\$&').replaceAll('*', '.*')}$`)
}

/** Lets so many bytes of the body through and then breaks the connection, as a network does. */
export function cutAfter(response: ServerResponse, bytes: number): void {
  let left = bytes
  const write = response.write.bind(response)
  const through = (chunk: unknown): boolean => {
    const body = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer)
    if (body.length <= left) {
      left -= body.length
      return write(body)
    }
    write(body.subarray(0, left), () => response.socket?.destroy())
    return false
  }
  response.write = through as typeof response.write
  response.end = ((chunk?: unknown) => {
    if (chunk !== undefined) through(chunk)
    response.socket?.end()
    return response
  }) as typeof response.end
}
