/** What every command on an archive is given: its repository opened, and a signal that ends the work in order. */
import { constants } from 'node:os'
import { createVerifier } from '../catalog/signing.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { HoldfastError } from '../core/errors.ts'
import { openStore } from '../storage/open.ts'
import type { Store } from '../storage/store.ts'
import type { ReadingArchive } from '../wal/record.ts'
import type { CommandContext } from './context.ts'
import { plainFailure } from './plain-failure.ts'

export interface Opened {
  reading: ReadingArchive
  store: Store
  config: Config
  signal: AbortSignal
}

/** The exit code of `use`; where a signal stopped it, the one that a shell gives for that. Throws NOT_FOUND. */
export async function withArchive(context: CommandContext, archive: string, use: (opened: Opened) => Promise<number>): Promise<number> {
  const config = await loadConfig(context.options.config)
  const repository = config.repositories[archiveOf(config, archive).repository]
  if (!repository) throw new HoldfastError('NOT_FOUND', `the archive "${archive}" names no repository`, { object: archive })
  const stop = awaitStop()
  try {
    const store = await openStore(repository)
    try {
      const verifier = createVerifier(config.signing.publicKeys)
      return await use({ reading: { archive, store, verifier }, store, config, signal: stop.signal })
    } finally {
      store.close()
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
    const exitCode = stop.exitCode()
    context.output.failure({ ...plainFailure('CANCELLED', `stopped before ${archive} was done`), exitCode })
    return exitCode
  } finally {
    stop.end()
  }
}

export function archiveOf({ archives }: Config, name: string): Config['archives'][string] {
  const archive = archives[name]
  if (archive) return archive
  const next = `name one of archives in holdfast.yaml: ${Object.keys(archives).join(', ') || 'there is none'}`
  throw new HoldfastError('NOT_FOUND', `there is no archive "${name}"`, { object: name, next })
}

const STOPS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** The exit code says which signal it was, as a shell does: PostgreSQL tells its own shutdown by it. */
function awaitStop(): { signal: AbortSignal; exitCode(): number; end(): void } {
  const stop = new AbortController()
  let number = 0
  const onSignal = (name: NodeJS.Signals) => {
    number ||= constants.signals[name]
    stop.abort()
  }
  for (const name of STOPS) process.once(name, onSignal)
  return {
    signal: stop.signal,
    exitCode: () => 128 + number,
    end: () => {
      for (const name of STOPS) process.off(name, onSignal)
    },
  }
}
