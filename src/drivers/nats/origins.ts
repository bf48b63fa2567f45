/**
 * Streams that take messages from one that is restored. Its creation time is new then, by which a sourcing stream knows
 * that it was made again: it would fetch everything once more. Told beforehand from which sequence on, it fetches what is
 * new and nothing twice. A mirror knows nothing of it, and would silently miss what comes up to its own last sequence.
 */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { StreamConfig, StreamInfo, StreamSource } from './answers.ts'
import type { NatsSourceConfig } from './config.ts'
import { type JetStream, listStreams, streamInfo } from './jetstream.ts'
import type { ConsumersRecord } from './records.ts'
import { isOlder, KNOWS_ORIGINS } from './versions.ts'

type Position = ConsumersRecord['sources'][number]

/** The last sequence that the stream has after its restore. */
export type LastSeq = (stream: string) => number | undefined

export const lastSeqIn =
  ({ inventory = {} }: Manifest, names: readonly string[]): LastSeq =>
  (stream) =>
    names.includes(stream) ? Number(inventory[`stream ${stream}`]?.['lastSeq']) : undefined

interface Follower {
  info: StreamInfo
  source: StreamSource
}

/** Live streams outside of the restore that take messages from one inside. */
function followers(live: readonly StreamInfo[], restored: LastSeq, of: (config: StreamConfig) => StreamSource[]): Follower[] {
  const outside = live.filter(({ config }) => restored(config.name) === undefined)
  return outside.flatMap((info) =>
    of(info.config).flatMap((source) => (source.external || restored(source.name) === undefined ? [] : [{ info, source }])),
  )
}

const mirrorOf = ({ mirror }: StreamConfig): StreamSource[] => (mirror ? [mirror] : [])
const sourcesOf = ({ sources }: StreamConfig): StreamSource[] => sources ?? []

/** Throws SOURCE_UNFIT where a follower would be wrong afterwards, with what can be done about it. */
export async function requireFollowersFit(js: JetStream, config: NatsSourceConfig, restored: LastSeq): Promise<void> {
  // A list does not say how far the sources are.
  const live = await Promise.all((await listStreams(js)).map((info) => (info.config.sources ? streamInfo(js, info.config.name) : info)))
  for (const { info, source } of followers(live, restored, mirrorOf)) {
    if (info.state.last_seq <= (restored(source.name) as number)) continue
    throw unfit(
      `${info.config.name} mirrors ${source.name} and is at ${info.state.last_seq}, ahead of the ${restored(source.name)} that is restored: it would miss what comes up to there`,
      info.config.name,
      `name ${info.config.name} among the parts too, or delete it and make it again after the restore`,
    )
  }
  for (const { info, source } of followers(live, restored, sourcesOf)) {
    const reason = whyNot(js, config, info, source)
    if (!reason) continue
    throw unfit(
      `${info.config.name} sources from ${source.name} and would fetch all of it a second time: ${reason}`,
      info.config.name,
      `name ${info.config.name} among the parts too; or remove ${source.name} from its sources, restore, and add it again with opt_start_seq after the last sequence it has`,
    )
  }
}

function whyNot(js: JetStream, { sourcing }: NatsSourceConfig, info: StreamInfo, source: StreamSource): string | undefined {
  const version = js.nc.info?.version ?? ''
  if (sourcing === 'refuse') return 'sourcing: refuse is configured'
  if (isOlder(version, KNOWS_ORIGINS)) return `NATS ${version} cannot be told where to go on`
  // One that has fetched nothing says nothing either.
  const known = info.state.messages === 0 || positionOf(info.sources ?? [], source)?.seq !== undefined
  return known ? undefined : 'it does not say how far it has come'
}

/** Tells the followers of a stream where to go on, before it is deleted. Says what was told. */
export async function tellFollowers(js: JetStream, origin: string, restored: LastSeq): Promise<string[]> {
  const notes: string[] = []
  for (const { info } of followers(await listStreams(js), restored, sourcesOf)) {
    const { name } = info.config
    if (!info.config.sources?.some((source) => source.name === origin && !source.external)) continue
    const { config, sources } = await streamInfo(js, name)
    const only: LastSeq = (stream) => (stream === origin ? restored(origin) : undefined)
    const told = continued(config, sources ?? [], only)
    await js.ask(`STREAM.UPDATE.${name}`, { ...config, sources: told.sources })
    notes.push(...told.notes)
  }
  return notes
}

/**
 * The sources of a stream with the sequence to go on from, for those whose origin is restored with it and, of a stream
 * that is restored itself, for all that it has fetched from: whether the others are what they were cannot be known.
 */
export function continued(
  config: StreamConfig,
  positions: readonly Position[],
  restored: LastSeq,
  { itself = false } = {},
): { sources: StreamSource[] | undefined; notes: string[] } {
  const notes: string[] = []
  const sources = config.sources?.map((source) => {
    const last = source.external ? undefined : restored(source.name)
    const fetched = positionOf(positions, source)?.seq
    if (fetched === undefined || (last === undefined && !itself)) return source
    // What it has fetched beyond its restored origin is of a time that is gone.
    const from = Math.min(fetched, last ?? fetched) + 1
    notes.push(`${config.name} goes on with ${source.name} at ${from}; its configuration has that as opt_start_seq now`)
    const { opt_start_time: _, ...rest } = source
    return { ...rest, opt_start_seq: from }
  })
  return { sources, notes }
}

const positionOf = (positions: readonly Position[], source: StreamSource): Position | undefined =>
  positions.find((position) => keyOf(position as StreamSource) === keyOf(source))

function keyOf({ name, filter_subject: filter = '', external, subject_transforms }: StreamSource): string {
  const transforms = ((subject_transforms ?? []) as { src: string; dest: string }[]).map(({ src, dest }) => [src, dest])
  return JSON.stringify([name, filter, external?.api ?? '', transforms])
}

const unfit = (message: string, object: string, next: string): HoldfastError => new HoldfastError('SOURCE_UNFIT', message, { object, next })
