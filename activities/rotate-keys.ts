/** Keys that are wrapped anew for the recipients of today: by notes beside the points, so that no payload is moved. */
import type { Catalog } from '../src/catalog/catalog.ts'
import { mapConcurrently } from '../src/catalog/concurrent.ts'
import { openFor, ownEncrypted } from '../src/catalog/rotated.ts'
import { repositoriesOf } from '../src/config/copies.ts'
import { recipientsOf } from '../src/config/recipients.ts'
import type { Config } from '../src/config/schema.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { Artifact, KeyNote } from '../src/core/records.ts'
import { archiveOf } from '../src/core/transitions.ts'
import { fileKeyOf, headerFor, readHeader } from '../src/pipeline/age-header.ts'
import { identitiesIn, type Identity, recipientBytes } from '../src/pipeline/age-keys.ts'
import type { Store } from '../src/storage/store.ts'
import { type RunningContext, withProgress } from './context.ts'
import { openSource, type Services, sourceOf } from './services.ts'

export interface RotationReport {
  source: string
  /** Whom every point opens for now, or would. */
  recipients: string[]
  points: number
  /** How many were given headers for them, or would be, wherever they are; and the first of them. */
  rotated: number
  ids: string[]
  /** Recipients that are not configured any more and that points still open for, each with how many: nothing takes that away but their end. */
  former: Record<string, number>
  /** Points that this worker's identity does not open, that are damaged or in an archive: they were left as they are. */
  problems: Problem[]
  /** Where a thaw is wanted: what has to be thawed before it can be rotated. It is no problem then. */
  frozen?: Frozen[]
}
interface Frozen {
  id: string
  repository?: string
  /** The storage class. */
  archived: string
}
interface Problem {
  id: string
  /** Where it has only a copy left. */
  repository?: string
  code: string
  message: string
}

/** Points that a report names. */
const MOST = 20
/** Points that one run thaws: each is a few events in its history. The next run goes on. */
const MOST_THAWED = 500

export function createRotation(services: Services) {
  const { config } = services
  const { identityFile } = config.encryption

  return {
    /** Wraps the keys of each point for the recipients of today, where one of them cannot read it. Moves no payload. */
    async rotateKeys({ source, dryRun, thaw = false }: { source: string; dryRun: boolean; thaw?: boolean }): Promise<RotationReport> {
      return withProgress(async (context) => {
        const recipients = recipientsOf(config.encryption)
        for (const recipient of recipients) recipientBytes(recipient)
        const done: Done = { points: [], rotated: [], problems: [], frozen: [], thaw }
        const seen = new Set<string>()
        // A copy of a point is given its notes by the next copy run; what only a copy is left of is given them there.
        for (const repository of placesOf(config, source)) {
          const at = repository === undefined ? { source } : { source, repository }
          const { store, catalog } = await openSource(services, source, repository)
          const all = await catalog.listPoints(source)
          const there = all.filter(({ id }) => !seen.has(id))
          for (const { id } of there) seen.add(id)
          const archives = new Map(there.map((point) => [point.id, archiveOf(point, all) ?? 'an archive']))
          await rotateIn({ at, store, catalog, recipients, context }, archives, dryRun, done)
        }
        const { points, rotated, problems, frozen } = done
        return {
          source,
          recipients,
          points: points.length,
          rotated: rotated.length,
          ids: rotated.slice(0, MOST),
          former: formerOf(points, recipients),
          problems: problems.slice(0, MOST),
          ...(frozen.length > 0 && { frozen: frozen.slice(0, MOST_THAWED) }),
        }
      })
    },
  }

  /** Each try sees what an earlier one has noted, and goes on after it. */
  async function rotateIn(place: Wrapping, archives: ReadonlyMap<string, string>, dryRun: boolean, done: Done): Promise<void> {
    const { at, catalog, recipients, context } = place
    const { points, problems } = await surveyKeys(catalog, at, [...archives.keys()])
    done.points.push(...points)
    done.problems.push(...problems)
    const closed = points.filter(({ open }) => recipients.some((one) => !open.includes(one)))
    const wrap = dryRun || closed.length === 0 ? async () => {} : await wrapping(place)
    for (const { id } of closed) {
      context.onProgress({ phase: `keys of ${id}`, parts: done.rotated.length })
      const problem = await wrap(id).catch((error: unknown) => standing(at, id, error))
      if (!problem) done.rotated.push(id)
      else if (done.thaw && problem.code === 'POINT_ARCHIVED') done.frozen.push(frozenOf(problem, archives.get(id) ?? ''))
      else done.problems.push(problem)
    }
  }

  async function wrapping({ at: { source }, store, catalog, recipients, context }: Wrapping): Promise<(id: string) => Promise<undefined>> {
    if (identityFile === undefined)
      throw new HoldfastError('KEY_MISSING', 'keys cannot be wrapped anew: this worker has no age identity', {
        next: 'run it by a worker whose configuration has encryption.identityFile',
      })
    const identities = await identitiesIn(identityFile)
    const headersOf = catalog.headers()
    return async (id) => {
      const { manifest } = await catalog.readManifest(source, id)
      const headers = await mapConcurrently(ownEncrypted(manifest), async (artifact) => {
        const fileKey = await keyOf(store, artifact, identities, await headersOf(artifact))
        return { key: artifact.key, header: headerFor(fileKey, recipients).toString() }
      })
      await context.requireCurrent()
      const { workflowId, runId } = context
      const now = new Date().toISOString()
      const note: KeyNote = { format: 'holdfast/v1', type: 'keys', source, id, at: now, recipients, headers, workflowId, runId }
      await catalog.addKeys(note)
      return undefined
    }
  }
}

interface At {
  source: string
  /** One that has copies of it. */
  repository?: string
}

interface Wrapping {
  at: At
  store: Store
  catalog: Catalog
  recipients: string[]
  context: RunningContext
}

/** Of all repositories so far. */
interface Done {
  points: Opened[]
  rotated: string[]
  problems: Problem[]
  frozen: Frozen[]
  /** Whether what is in an archive is going to be thawed. */
  thaw: boolean
}

const frozenOf = ({ id, repository }: Problem, archived: string): Frozen => ({
  id,
  ...(repository !== undefined && { repository }),
  archived,
})

interface Opened {
  id: string
  /** For whom. */
  open: string[]
}

/** Those of the points that have something encrypted of their own, and those of which nobody can say for whom they open. */
async function surveyKeys(catalog: Catalog, at: At, ids: readonly string[]): Promise<{ points: Opened[]; problems: Problem[] }> {
  const { source } = at
  const problems: Problem[] = []
  const found = await mapConcurrently(ids, async (id) => {
    try {
      const { manifest } = await catalog.readManifest(source, id)
      if (ownEncrypted(manifest).length === 0) return []
      return [{ id, open: openFor(manifest, await catalog.keysOf(source, id)) }]
    } catch (error) {
      problems.push(standing(at, id, error))
      return []
    }
  })
  return { points: found.flat(), problems }
}

function formerOf(points: readonly Opened[], recipients: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const one of points.flatMap(({ open }) => open)) if (!recipients.includes(one)) counts[one] = (counts[one] ?? 0) + 1
  return counts
}

/** From the object's own header, else from what an earlier rotation has left, which no archive keeps. */
async function keyOf(
  store: Store,
  { key }: Artifact,
  identities: readonly Identity[],
  later: readonly (() => Promise<string | undefined>)[],
): Promise<Buffer> {
  const own = await readHeader(store, key).catch((error: unknown) => {
    if (error instanceof HoldfastError && error.code === 'POINT_ARCHIVED') return error
    throw error
  })
  const opened = own instanceof HoldfastError ? undefined : fileKeyOf(own, identities, key)
  if (opened) return opened
  for (const read of later) {
    const header = await read()
    const fileKey = header === undefined ? undefined : fileKeyOf(Buffer.from(header), identities, key)
    if (fileKey) return fileKey
  }
  throw own instanceof HoldfastError
    ? own
    : new HoldfastError('KEY_WRONG', `the age identity of this worker does not open ${key}`, { object: key })
}

const STANDING: readonly string[] = ['KEY_WRONG', 'INTEGRITY', 'SIGNATURE_INVALID', 'NOT_FOUND', 'POINT_ARCHIVED']

/** What is wrong with this point and with no other; anything else ends the try. */
function standing({ source, repository }: At, id: string, error: unknown): Problem {
  if (!(error instanceof HoldfastError) || !STANDING.includes(error.code)) throw error
  const { code, message } = error
  const thaw = `it is in an archive: holdfast rotate-keys ${source} --thaw asks for it, and waits until it can be read`
  return { id, ...(repository !== undefined && { repository }), code, message: code === 'POINT_ARCHIVED' ? thaw : message }
}

/** The source's own repository, as which none is named, and those of its copies. */
export function placesOf(config: Config, source: string): (string | undefined)[] {
  const [, ...copies] = repositoriesOf(sourceOf(config, source))
  return [undefined, ...copies]
}
