/**
 * Connections opened before the stop, to be found dead after it: a session that is logged in, and a socket that has not
 * said who it is (which would still be let in under the old rules if only the rules were changed).
 */
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { closeSession, connect as openSession } from '../../drivers/postgres-common/connect.ts'
import { connectionOf, type Site } from './site.ts'

export interface Witnesses {
  session: 'open' | 'none'
  socket: 'open' | 'none'
  /** Transactions that wait prepared; undefined where nobody could be asked. */
  prepared: string[] | undefined
  /** Names of those that are still alive; empty is what a fence wants. */
  survivors(timeoutMs: number): Promise<string[]>
  close(): void
}

const OPEN_MS = 2_000
/** A startup packet of protocol 3.0 for the user `postgres`, which a living server answers with a request to log in. */
const STARTUP = Buffer.from('\0\0\0\x17\0\x03\0\0user\0postgres\0\0', 'latin1')
/** An error or a notice: terminated, or because of a crash. A server that refuses to let somebody in says something else. */
const LAST_WORDS = /^[EN].{4}.*\0C57P0[12]\0/s

/** Never fails: a site that answers nobody has no witnesses, and the processes are the proof. */
export async function openWitnesses(site: Site): Promise<Witnesses> {
  const [socket, session] = await Promise.all([
    openSocket(site),
    openSession(connectionOf(site), { applicationName: 'holdfast-fence', timeoutMs: OPEN_MS }).catch(() => undefined),
  ])
  const prepared = await Promise.race([
    session?.query<{ gid: string }>('select gid from pg_prepared_xacts order by prepared').then(
      ({ rows }) => rows.map(({ gid }) => gid),
      () => undefined,
    ),
    delay(OPEN_MS, undefined, { ref: false }),
  ])
  return {
    session: session ? 'open' : 'none',
    socket: socket ? 'open' : 'none',
    prepared: prepared ?? undefined,
    async survivors(timeoutMs) {
      const [loggedIn, silent] = await Promise.all([
        session
          ? livesOn(
              session.query('select 1').then(
                () => true,
                () => false,
              ),
              timeoutMs,
            )
          : false,
        socket ? livesOn(answers(socket), timeoutMs) : false,
      ])
      return [...(loggedIn ? ['the session opened before'] : []), ...(silent ? ['the socket opened before'] : [])]
    },
    close() {
      socket?.destroy()
      if (session) void closeSession(session)
    },
  }
}

function openSocket(site: Site): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: site.address, port: site.port })
    const timer = setTimeout(() => {
      socket.destroy()
      resolve(undefined)
    }, OPEN_MS)
    socket.once('connect', () => {
      clearTimeout(timer)
      resolve(socket)
    })
    socket.on('error', () => {
      clearTimeout(timer)
      resolve(undefined)
    })
  })
}

/**
 * Whether anybody answers to a startup packet; false once the connection is closed. Last words are none: a backend
 * that lost its postmaster says so before it ends, and that may be read only now.
 */
function answers(socket: Socket): Promise<boolean> {
  if (socket.destroyed || socket.readableEnded) return Promise.resolve(false)
  return new Promise((resolve) => {
    socket.once('data', (message: Buffer) => LAST_WORDS.test(message.toString('latin1')) || resolve(true))
    socket.once('close', () => resolve(false))
    socket.write(STARTUP)
  })
}

/** A witness that neither answers nor ends counts as alive: its server may only be frozen. */
async function livesOn(answer: Promise<boolean>, timeoutMs: number): Promise<boolean> {
  return (await within(answer, timeoutMs)) ?? true
}

const SLICE_MS = 100

/**
 * The answer, or undefined after `timeoutMs`. Waited for in slices: a timer that is due goes before an answer that is there,
 * so after a stall of this process (a machine that was suspended) one long wait would end without a look at the answer.
 */
async function within<T>(answer: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  for (let left = timeoutMs; left > 0; left -= SLICE_MS) {
    const found = await Promise.race([answer.then((value) => ({ value })), delay(SLICE_MS, undefined, { ref: false })])
    if (found) return found.value
  }
  return undefined
}

/** How the address answers to a new connection: `refused` is the only proof that nobody listens. */
export async function knock(site: Site, timeoutMs = 3_000): Promise<'refused' | 'open' | string> {
  const socket = connect({ host: site.address, port: site.port })
  const answer = new Promise<string>((resolve) => {
    socket.once('connect', () => resolve('open'))
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED' ? 'refused' : (code ?? 'error')))
  })
  try {
    return (await within(answer, timeoutMs)) ?? 'no answer'
  } finally {
    socket.destroy()
  }
}
