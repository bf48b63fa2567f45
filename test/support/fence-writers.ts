/** Clients of a site that try to commit before, during and after a fence, and remember what was acknowledged and when. */
import { connect as connectTcp, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

export interface Place {
  host: string
  port: number
  database: string
}

/** An acknowledged row, with the moment of the answer. */
export interface Acknowledged {
  id: string
  at: number
}

export interface Writer {
  name: string
  acknowledged: Acknowledged[]
  /** Tried, and nobody said what became of it. */
  unknown: string[]
  /** Tries once more; resolves when it knows, true where it was acknowledged. */
  tryAgain(): Promise<boolean>
  close(): Promise<void>
}

async function open(place: Place): Promise<pg.Client> {
  const client = new pg.Client({ ...place, user: 'postgres', connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  await client.connect()
  return client
}

const asked = (promise: Promise<unknown>) =>
  promise.then(
    () => true,
    () => false,
  )

/** A session that commits row after row, as fast as it is answered. */
export async function hammer(place: Place, name: string): Promise<Writer> {
  const client = await open(place)
  const acknowledged: Acknowledged[] = []
  const unknown: string[] = []
  let next = 0
  const insert = async () => {
    const id = `${name}-${next++}`
    const done = await asked(client.query('insert into writes values ($1)', [id]))
    if (done) acknowledged.push({ id, at: performance.now() })
    else unknown.push(id)
    return done
  }
  const loop = (async () => {
    while (await insert());
  })()
  return {
    name,
    acknowledged,
    unknown,
    tryAgain: insert,
    async close() {
      await client.end().catch(() => {})
      await loop
    },
  }
}

/** A transaction with a row in it, begun before the fence, committed after it. */
export async function openTransaction(place: Place, id: string): Promise<Writer> {
  const client = await open(place)
  await client.query('begin')
  await client.query('insert into writes values ($1)', [id])
  return once(
    id,
    () => asked(client.query('commit')),
    () => client.end(),
  )
}

/** A prepared transaction; whoever can connect may commit it. */
export async function prepared(place: Place, id: string): Promise<Writer> {
  const client = await open(place)
  await client.query('begin')
  await client.query('insert into writes values ($1)', [id])
  await client.query(`prepare transaction '${id}'`)
  const commit = async () => {
    if (await asked(client.query(`commit prepared '${id}'`))) return true
    const other = await open(place).catch(() => undefined)
    const done = other ? await asked(other.query(`commit prepared '${id}'`)) : false
    await other?.end().catch(() => {})
    return done
  }
  return once(id, commit, () => client.end())
}

/** A procedure that commits in a loop by itself; nobody answers it until it ends. */
export async function procedure(place: Place, id: string): Promise<Writer> {
  const client = await open(place)
  const ended = asked(client.query(`call commit_for_ever('${id}')`)).then(() => false)
  // One that nobody ends within a while goes on committing.
  return once(
    id,
    () => Promise.race([ended, delay(10_000, true, { ref: false })]),
    () => client.end(),
  )
}

/** A connection that has not said who it is: it logs in, under whatever rules were in force when it was opened, only when asked to try. */
export async function silentSocket(place: Place, id: string): Promise<Writer> {
  const socket = connectTcp(place)
  socket.on('error', () => {})
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return once(
    id,
    () => logInAndInsert(socket, place.database, id),
    async () => {
      socket.destroy()
    },
  )
}

function once(id: string, act: () => Promise<boolean>, end: () => Promise<unknown>): Writer {
  const acknowledged: Acknowledged[] = []
  const unknown: string[] = []
  return {
    name: id,
    acknowledged,
    unknown,
    async tryAgain() {
      const done = await act()
      if (done) acknowledged.push({ id, at: performance.now() })
      else unknown.push(id)
      return done
    },
    async close() {
      await end().catch(() => {})
    },
  }
}

/** The wire protocol by hand: start-up, wait for ReadyForQuery, one insert, wait for CommandComplete. */
function logInAndInsert(socket: Socket, database: string, id: string): Promise<boolean> {
  if (socket.destroyed) return Promise.resolve(false)
  return new Promise((resolve) => {
    let seen = Buffer.alloc(0)
    let sent = false
    socket.on('data', (chunk: Buffer) => {
      seen = Buffer.concat([seen, chunk])
      for (; seen.length >= 5 && seen.length >= 1 + seen.readUInt32BE(1); seen = seen.subarray(1 + seen.readUInt32BE(1))) {
        const kind = String.fromCharCode(seen[0] as number)
        if (kind === 'E') resolve(false)
        if (kind === 'C') resolve(true)
        if (kind === 'Z' && !sent) {
          sent = true
          socket.write(message('Q', `insert into writes values ('${id}')\0`))
        }
      }
    })
    socket.once('close', () => resolve(false))
    const words = Buffer.from(`user\0postgres\0database\0${database}\0\0`)
    const head = Buffer.alloc(8)
    head.writeUInt32BE(words.length + 8, 0)
    head.writeUInt32BE(196_608, 4)
    socket.write(Buffer.concat([head, words]))
  })
}

function message(kind: string, text: string): Buffer {
  const body = Buffer.from(text)
  const head = Buffer.alloc(5)
  head.write(kind)
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
