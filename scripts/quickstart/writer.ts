/**
 * A client like any other: resolves the name itself, writes, and keeps a log of what it was told. One line for each
 * write: `a` acknowledged, `f` surely not written, `u` unknown (the answer never came). It never retries an id.
 *
 *   node writer.ts '{"dns":"127.0.0.1:5353","name":"db.example.com","port":5432,"log":"/…/writer.log","clients":4}'
 */
import { createWriteStream } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { currentAddress } from '../../src/failover/route.ts'

interface Options {
  dns: string
  name: string
  port: number
  dbname: string
  log: string
  clients: number
  first: number
}

const options = JSON.parse(process.argv[2] ?? '{}') as Options
const log = createWriteStream(options.log, { flags: 'a' })
let stopping = false
let next = options.first
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    stopping = true
  })

const record = (what: 'a' | 'f' | 'u', id: number): void => void log.write(`${what} ${id} ${Date.now()}\n`)

async function open(): Promise<pg.Client> {
  const host = await currentAddress(options.name, options.dns)
  if (!host) throw new Error(`${options.name} does not resolve`)
  const client = new pg.Client({
    host,
    port: options.port,
    user: 'postgres',
    database: options.dbname,
    connectionTimeoutMillis: 2_000,
    query_timeout: 5_000,
    application_name: 'writer',
  })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** A refusal by the server is certain; silence is not. A read-only server surely wrote nothing. */
function isCertain(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? ''
  return /^(25006|42|23|0A|57P03)/.test(code)
}

async function loop(): Promise<void> {
  while (!stopping) {
    let client: pg.Client
    try {
      client = await open()
    } catch {
      await pause(50)
      continue
    }
    while (!stopping) {
      const id = next++
      try {
        await client.query('insert into writes (id, note) values ($1, $2)', [id, 'written by the quickstart'])
        record('a', id)
      } catch (error) {
        record(isCertain(error) ? 'f' : 'u', id)
        break
      }
    }
    await client.end().catch(() => {})
  }
}

await Promise.all(Array.from({ length: options.clients }, loop))
await new Promise<void>((resolve) => log.end(resolve))
