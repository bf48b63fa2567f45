/** The archives of `holdfast wal-push` that are the log of a source. */
import { copiesOf } from './copies.ts'
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

/** Those of the source that are copied to the repository. */
export function copiedLogs({ archives }: Pick<From, 'archives'>, source: SourceConfig, to: string): string[] {
  const wanted = copiesOf(source).some((copy) => copy.to === to && copy.log)
  return wanted ? archivesOf(source).filter((archive) => archives[archive]?.repository !== to) : []
}

/** The repository of the archive where copies of the points lie there as well: they need no copy of it. */
export function copiesBeside({ archives }: Pick<From, 'archives'>, source: SourceConfig, archive: string): string[] {
  return copiesOf(source).flatMap(({ to, log }) => (log && archives[archive]?.repository === to ? [to] : []))
}

/** Where the archive may be found: its own repository, then those that it is copied to. */
export function placesOfLog(config: From, archive: string): string[] {
  const own = config.archives[archive]?.repository
  const sources = ownersOf(config, archive).map((name) => config.sources[name] as SourceConfig)
  const copies = sources.flatMap((source) =>
    copiesOf(source).flatMap(({ to }) => (copiedLogs(config, source, to).includes(archive) ? [to] : [])),
  )
  return [...new Set([...(own === undefined ? [] : [own]), ...copies])]
}
