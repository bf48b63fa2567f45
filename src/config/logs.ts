/** The archives of `holdfast wal-push` that are the log of a source. */
import type { Config, SourceConfig } from './schema.ts'

type From = Pick<Config, 'sources' | 'archives'>

/** The one that is written now, then those of before. */
export function archivesOf(source: SourceConfig): string[] {
  const wal = 'wal' in source ? source.wal : undefined
  return wal && 'archive' in wal ? [wal.archive, ...wal.earlier] : []
}

export const ownersOf = ({ sources }: Pick<From, 'sources'>, archive: string): string[] =>
  Object.keys(sources).filter((name) => archivesOf(sources[name] as SourceConfig).includes(archive))

/** What segments of the archive look like where a source says it. */
export function namesIn(config: Pick<From, 'sources'>, archive: string): string | undefined {
  const [owner] = ownersOf(config, archive).map((name) => config.sources[name])
  return owner && 'wal' in owner ? owner.wal?.names : undefined
}

/** Those of the source that have a rule. */
export function keptLogs({ archives }: Pick<From, 'archives'>, source: SourceConfig): { archive: string; keep: string }[] {
  return archivesOf(source).flatMap((archive) => {
    const keep = archives[archive]?.keep
    return keep === undefined ? [] : [{ archive, keep }]
  })
}
