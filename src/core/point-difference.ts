/** What changed between two recovery points of a source, from their manifests alone. Pure. */
import type { Inventory, Manifest } from './records.ts'

export interface FileChange {
  name: string
  /** Plain bytes; absent where it is not in that point. */
  before?: number
  after?: number
}
export interface FactChange {
  thing: string
  fact: string
  before?: string | number
  after?: string | number
}
export interface PointDifference {
  source: string
  from: string
  to: string
  files: { added: FileChange[]; changed: FileChange[]; removed: FileChange[]; same: number }
  /** In both, and stored so that nobody can tell whether they hold the same: dumps whose content did not pass through Holdfast. */
  unknown: string[]
  facts: FactChange[]
}

/** Files by the digest of their content; everything that was counted or digested beside them by name. */
export function differenceOf(from: Manifest, to: Manifest): PointDifference {
  return { source: to.source, from: from.id, to: to.id, ...filesOf(from, to), facts: factChanges(factsOf(from), factsOf(to)) }
}

function filesOf(from: Manifest, to: Manifest): Pick<PointDifference, 'files' | 'unknown'> {
  const before = new Map(from.artifacts.map((artifact) => [artifact.part, artifact]))
  const files: PointDifference['files'] = { added: [], changed: [], removed: [], same: 0 }
  const unknown: string[] = []
  for (const artifact of to.artifacts) {
    const { part: name, plainBytes, storedBytes, contentBlake3 } = artifact
    const after = plainBytes ?? storedBytes
    const old = before.get(name)
    before.delete(name)
    if (!old) files.added.push({ name, after })
    else if (old.key === artifact.key || (contentBlake3 !== undefined && old.contentBlake3 === contentBlake3)) files.same += 1
    else if (contentBlake3 === undefined || old.contentBlake3 === undefined) unknown.push(name)
    else files.changed.push({ name, before: old.plainBytes ?? old.storedBytes, after })
  }
  files.removed = [...before.values()].map(({ part, plainBytes, storedBytes }) => ({ name: part, before: plainBytes ?? storedBytes }))
  return { files, unknown }
}

/** The inventory, and what a database held, as one list of things with their facts. */
function factsOf({ inventory = {}, content, schemaVersion }: Manifest): Inventory {
  const facts: Inventory = { ...inventory, ...(schemaVersion !== undefined && { application: { 'schema version': schemaVersion } }) }
  if (!content) return facts
  for (const [name, { rows, digest }] of Object.entries(content.tables)) facts[`table ${name}`] = { rows, digest }
  for (const [name, { value }] of Object.entries(content.sequences)) facts[`sequence ${name}`] = { value }
  facts['large objects'] = content.largeObjects
  facts['definitions'] = { digest: content.schema }
  return facts
}

function factChanges(from: Inventory, to: Inventory): FactChange[] {
  const things = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort()
  return things.flatMap((thing) => {
    const [before = {}, after = {}] = [from[thing], to[thing]]
    const facts = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    return facts
      .filter((fact) => before[fact] !== after[fact])
      .map((fact) => ({
        thing,
        fact,
        ...(before[fact] !== undefined && { before: before[fact] }),
        ...(after[fact] !== undefined && { after: after[fact] }),
      }))
  })
}
