/** Who can read what is stored: keys wrapped anew for the recipients of today, and the oldest point opened to see that somebody can. */
import type { Catalog } from '../src/catalog/catalog.ts'
import { mapConcurrently } from '../src/catalog/concurrent.ts'
import { openFor, ownEncrypted } from '../src/catalog/rotated.ts'
import { recipientsOf } from '../src/config/recipients.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { Artifact, KeyNote } from '../src/core/records.ts'
import { fileKeyOf, headerFor, readHeader } from '../src/pipeline/age-header.ts'
import { identitiesIn, type Identity, recipientBytes } from '../src/pipeline/age-keys.ts'
import { openArtifact } from '../src/pipeline/open-artifact.ts'
import type { Store } from '../src/storage/store.ts'
import { type RunningContext, withProgress } from './context.ts'
import { openSource, type Services } from './services.ts'

export interface RotationReport {
  source: string
  /** Whom every point opens for now, or would. */
  recipients: string[]
  points: number
  /** How many were given headers for them, or would be; and the first of them. */
  rotated: number
  ids: string[]
  /** Recipients that are not configured any more and that points still open for, each with how many: nothing takes that away but their end. */
  former: Record<string, number>
  /** Points that this worker's identity does not open, or that are damaged: they were left as they are. */
  problems: Problem[]
}
interface Problem {
  id: string
  code: string
  message: string
}

export interface KeyCheck {
  source: string
  /** Absent where no point of the source has anything encrypted by Holdfast. */
  point?: string
  part?: string
  /** Its whole content, or its first bytes where it is large. */
  looked?: 'whole' | 'beginning'
}

/** Points that a report names. */
const MOST = 20

export function createKeyActivities(services: Services) {
  const { config } = services
  const { identityFile } = config.encryption

  return {
    /** Wraps the keys of each point for the recipients of today, where one of them cannot read it. Moves no payload. */
    async rotateKeys({ source, dryRun }: { source: string; dryRun: boolean }): Promise<RotationReport> {
      return withProgress(async (context) => {
        const recipients = recipientsOf(config.encryption)
        for (const recipient of recipients) recipientBytes(recipient)
        const { store, catalog } = await openSource(services, source)
        const { points, problems } = await surveyKeys(catalog, source)
        const closed = points.filter(({ open }) => recipients.some((one) => !open.includes(one)))
        const rotated: string[] = []
        const wrap = dryRun || closed.length === 0 ? async () => {} : await wrapping({ source, store, catalog, recipients, context })
        for (const { id } of closed) {
          context.onProgress({ phase: `keys of ${id}`, parts: rotated.length })
          const problem = await wrap(id).catch((error: unknown) => standing(id, error))
          if (problem) problems.push(problem)
          else rotated.push(id)
        }
        return {
          source,
          recipients,
          points: points.length,
          rotated: rotated.length,
          ids: rotated.slice(0, MOST),
          former: formerOf(points, recipients),
          problems: problems.slice(0, MOST),
        }
      })
    },

    /** Opens the smallest artifact of the oldest point. Throws KEY_WRONG, KEY_MISSING or INTEGRITY where that cannot be done. */
    async checkKeys({ source }: { source: string }): Promise<KeyCheck> {
      return withProgress(async (context) => {
        const { store, catalog } = await openSource(services, source)
        for (const { id } of await catalog.listPoints(source)) {
          const { manifest } = await catalog.readManifest(source, id)
          const encrypted = manifest.artifacts.filter(({ encryption }) => encryption === 'age')
          const [smallest] = encrypted.sort((a, b) => a.storedBytes - b.storedBytes)
          if (!smallest) continue
          context.onProgress({ phase: `open ${smallest.key}` })
          const looked = await openArtifact(smallest, { store, identityFile, headersOf: catalog.headers(), signal: context.signal })
          return { source, point: id, part: smallest.part, looked }
        }
        return { source }
      })
    },
  }

  /** Each try sees what an earlier one has noted, and goes on after it. */
  async function wrapping({ source, store, catalog, recipients, context }: Wrapping): Promise<(id: string) => Promise<undefined>> {
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
      const at = new Date().toISOString()
      const note: KeyNote = { format: 'holdfast/v1', type: 'keys', source, id, at, recipients, headers, workflowId, runId }
      await catalog.addKeys(note)
      return undefined
    }
  }
}
export type KeyActivities = ReturnType<typeof createKeyActivities>

interface Wrapping {
  source: string
  store: Store
  catalog: Catalog
  recipients: string[]
  context: RunningContext
}

interface Opened {
  id: string
  /** For whom. */
  open: string[]
}

/** Every point that has something encrypted of its own, and those of which nobody can say for whom they open. */
async function surveyKeys(catalog: Catalog, source: string): Promise<{ points: Opened[]; problems: Problem[] }> {
  const problems: Problem[] = []
  const found = await mapConcurrently(await catalog.listPoints(source), async ({ id }) => {
    try {
      const { manifest } = await catalog.readManifest(source, id)
      if (ownEncrypted(manifest).length === 0) return []
      return [{ id, open: openFor(manifest, await catalog.keysOf(source, id)) }]
    } catch (error) {
      problems.push(standing(id, error))
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

/** From the object's own header, else from what an earlier rotation has left. */
async function keyOf(
  store: Store,
  { key }: Artifact,
  identities: readonly Identity[],
  later: readonly (() => Promise<string | undefined>)[],
): Promise<Buffer> {
  const own = fileKeyOf(await readHeader(store, key), identities, key)
  if (own) return own
  for (const read of later) {
    const header = await read()
    const fileKey = header === undefined ? undefined : fileKeyOf(Buffer.from(header), identities, key)
    if (fileKey) return fileKey
  }
  throw new HoldfastError('KEY_WRONG', `the age identity of this worker does not open ${key}`, { object: key })
}

/** What is wrong with this point and with no other; anything else ends the try. */
function standing(id: string, error: unknown): Problem {
  if (!(error instanceof HoldfastError) || !['KEY_WRONG', 'INTEGRITY', 'SIGNATURE_INVALID', 'NOT_FOUND'].includes(error.code)) throw error
  return { id, code: error.code, message: error.message }
}
