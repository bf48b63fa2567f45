/** Ports for servers that are started here: below the range the kernel gives to outgoing connections. */
import { createSocket } from 'node:dgram'
import { createServer, type Server } from 'node:net'
import { HoldfastError } from '../../src/core/errors.ts'

const FIRST = 20_000
const SLICES = 96
const SLICE = 125
const ALL = SLICES * SLICE

// Test files run in processes of their own with neighbouring pids: each starts in a slice that its neighbours do not use.
let next = (process.pid % SLICES) * SLICE

/** A port that nobody listens on at the address, given to nobody else while this process lives: its server may be stopped for a while. */
export function freePort(address = '127.0.0.1'): Promise<number> {
  return freePortOn([address])
}

/** One port that is free, for TCP and UDP, on every address. */
export async function freePortOn(addresses: readonly string[]): Promise<number> {
  for (let tries = 0; tries < ALL; tries++) {
    const port = FIRST + (next++ % ALL)
    if ((await freeEverywhere(port, addresses)) && (await reservePort(port))) return port
  }
  throw new HoldfastError('NOT_FOUND', `no port from ${FIRST} to ${FIRST + ALL - 1} is free on ${addresses.join(' and ')}`, {
    next: 'stop what listens there: ss -ltnp',
  })
}

const reserved: Server[] = []

/**
 * False where another process, or this one, has it. Noted by a socket with a name that is no file, which the kernel forgets
 * with the process that has it.
 */
export function reservePort(port: number): Promise<boolean> {
  if (process.platform !== 'linux') return Promise.resolve(true)
  return new Promise((resolve, reject) => {
    const note = createServer()
    note.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error)))
    note.listen({ path: `\0holdfast-port-${port}` }, () => {
      note.unref()
      reserved.push(note)
      resolve(true)
    })
  })
}

async function freeEverywhere(port: number, addresses: readonly string[]): Promise<boolean> {
  for (const address of addresses) if (!(await tcpFree(port, address)) || !(await udpFree(port, address))) return false
  return true
}

function tcpFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error) => refused(error, host, resolve, reject))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

function udpFree(port: number, address: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    socket.once('error', (error) => {
      socket.close()
      refused(error, address, resolve, reject)
    })
    socket.bind({ port, address, exclusive: true }, () => socket.close(() => resolve(true)))
  })
}

/** A port in use is an answer; an address that no port can be had on is not. */
function refused(error: NodeJS.ErrnoException, address: string, resolve: (free: boolean) => void, reject: (error: Error) => void): void {
  const next = 'check that the address exists on this machine: ip address show'
  if (error.code === 'EADDRINUSE') resolve(false)
  else reject(new HoldfastError('NOT_FOUND', `no port can be had on ${address}: ${error.message}`, { object: address, next, cause: error }))
}
