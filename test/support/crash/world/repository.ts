/** A source's part of the repository, looked at object by object: what is listed is whole, and nothing else is there. */
import { holdsPrefix, manifestKey, parseKey, proofsPrefix, rotationsPrefix, sourcePrefix } from '../../../../src/catalog/keys.ts'
import { messageOf } from '../../../../src/core/errors.ts'
import type { Manifest, PointSummary } from '../../../../src/core/records.ts'
import { readBack } from '../../../../src/pipeline/read-back.ts'
import type { Store } from '../../../../src/storage/store.ts'
import type { Lane } from '../stage.ts'

export async function pointsOf(lane: Lane, source: string, repository = repositoryOf(lane, source)): Promise<PointSummary[]> {
  return (await lane.services.catalog(repository)).listPoints(source)
}

/** Everything that should not be so. `fresh` are the points whose artifacts are read to their end. */
export async function repositoryProblems(
  lane: Lane,
  source: string,
  fresh: readonly string[],
  repository = repositoryOf(lane, source),
): Promise<string[]> {
  const [store, catalog] = [await lane.services.store(repository), await lane.services.catalog(repository)]
  const problems: string[] = []
  for await (const { key } of store.pendingUploads(sourcePrefix(source))) problems.push(`pending upload ${key}`)
  const survey = await catalog.survey(source)
  problems.push(...survey.problems.map(({ key, message }) => `${key}: ${message}`))
  const manifests = new Map<string, Manifest>()
  for (const { id } of survey.points) manifests.set(id, (await catalog.readManifest(source, id)).manifest)
  for await (const { key } of store.list(sourcePrefix(source))) {
    const id = parseKey(key)?.id
    if (id !== undefined && !belongs(key, source, id, manifests.get(id))) problems.push(`object ${key} belongs to no point`)
  }
  for (const id of fresh) problems.push(...(await unreadable(lane, store, `${source} ${id}`, manifests.get(id))))
  return problems
}

function belongs(key: string, source: string, id: string, manifest: Manifest | undefined): boolean {
  if (!manifest) return false
  if (key === manifestKey(source, id) || manifest.artifacts.some((artifact) => artifact.key === key)) return true
  return [proofsPrefix, holdsPrefix, rotationsPrefix].some((prefix) => key.startsWith(prefix(source, id)))
}

async function unreadable({ config }: Lane, store: Store, point: string, manifest: Manifest | undefined): Promise<string[]> {
  if (!manifest) return [`${point} is not listed`]
  const problems: string[] = []
  for (const artifact of manifest.artifacts) {
    await readBack(store, artifact, { identityFile: config.encryption.identityFile }).catch((error: unknown) => {
      problems.push(`${artifact.key} cannot be read: ${messageOf(error)}`)
    })
  }
  return problems
}

/** How many records of evidence the run left, and whether the chain is whole. */
export async function evidenceProblems({ services, config }: Lane, source: string, runId: string): Promise<string[]> {
  const repository = repositoryOf({ config }, source)
  const [store, catalog] = [await services.store(repository), await services.catalog(repository)]
  const writers = new Set<string>()
  let records = 0
  for await (const { key } of store.list('holdfast/v1/evidence/')) {
    writers.add(key.split('/')[3] ?? '')
    const text = await text_(store.get(key))
    if ((JSON.parse(text) as { runId?: string }).runId === runId) records += 1
  }
  const chains = await Promise.all([...writers].map((writer) => catalog.verifyEvidence(writer)))
  const broken = chains.flatMap(({ problems }) => problems.map(({ key, problem }) => `evidence ${key}: ${problem}`))
  return records === 1 ? broken : [`the run has ${records} records of evidence`, ...broken]
}

async function text_(stream: Promise<AsyncIterable<unknown>>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of await stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function repositoryOf({ config }: Pick<Lane, 'config'>, source: string): string {
  const found = config.sources[source]
  if (!found) throw new Error(`no source ${source}`)
  return found.repository
}
