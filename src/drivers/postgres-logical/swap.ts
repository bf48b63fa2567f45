/** Two databases change their names in one transaction: everybody sees the old one, or the new one, and never none. */
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { until } from '../../process/wait.ts'
import { type Client, withClient } from '../postgres-common/connect.ts'
import { identifier } from '../postgres-common/sql.ts'

export interface Swap {
  /** To a database of the server that is neither of the two. */
  connection: string
  maintenance: string
  live: string
  aside: string
  /** Which database has to have that name. */
  oid?: string
  /** The name that the old one gets. */
  kept: string
}

const TRIES = 10

/**
 * The rename holds the database's lock, so no session can begin, and waits some seconds for those that are there: in that
 * time they are ended. Nothing is closed beforehand that a crash could leave closed. The old one is kept closed.
 */
export async function swapNames(swap: Swap): Promise<void> {
  await withClient(swap.connection, { database: swap.maintenance }, async (killer) => {
    await refusePrepared(killer, swap.live)
    for (let attempt = 1; ; attempt += 1) {
      const failure = await rename(swap, killer)
      if (!failure) return
      if ((failure as { code?: string }).code !== '55006' || attempt === TRIES) {
        throw new HoldfastError(
          'PROCESS_FAILED',
          `the names of ${swap.live} and ${swap.aside} could not be swapped: ${messageOf(failure)}`,
          { object: swap.live, cause: failure, next: 'nothing was changed; stop what connects to the database and repeat the restore' },
        )
      }
    }
  })
}

/** The error, or undefined where the swap is committed. */
async function rename({ connection, maintenance, live, aside, oid, kept }: Swap, killer: Client): Promise<unknown> {
  let ended: { error?: unknown } | undefined
  const renaming = withClient(connection, { database: maintenance }, async (client) => {
    await client.query('set lock_timeout = 10000')
    await client.query('begin')
    await client.query(`alter database ${identifier(live)} rename to ${identifier(kept)}`)
    await client.query(`alter database ${identifier(aside)} rename to ${identifier(live)}`)
    // Asked once the name is locked: nobody makes it again from here on.
    const { rowCount } = await client.query('select from pg_database where datname = $1 and oid::text = coalesce($2, oid::text)', [
      live,
      oid,
    ])
    if (rowCount === 0) throw new Error(`${aside} is not the database that was restored`)
    await client.query(`alter database ${identifier(kept)} allow_connections false`)
    await client.query('commit')
  }).then(
    () => {
      ended = {}
    },
    (error: unknown) => {
      ended = { error }
    },
  )
  await until(
    async () => {
      await killer.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = any($1) and pid <> pg_backend_pid()', [
        [live, aside],
      ])
      return ended !== undefined
    },
    { timeoutMs: 120_000, everyMs: 50, what: `the names of ${live} and ${aside} to be swapped` },
  )
  await renaming
  return ended?.error
}

async function refusePrepared(client: Client, live: string): Promise<void> {
  const { rows } = await client.query<{ gid: string }>('select gid from pg_prepared_xacts where database = $1', [live])
  if (rows.length === 0) return
  throw new HoldfastError('SOURCE_UNFIT', `${live} has prepared transactions: ${rows.map(({ gid }) => gid).join(', ')}`, {
    object: live,
    next: `connect to ${live} and run commit prepared or rollback prepared for each`,
  })
}
