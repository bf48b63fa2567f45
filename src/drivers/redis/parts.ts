/** What of a point may be asked for by name: its graphs, and its users. */
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Manifest } from '../../core/records.ts'
import type { RestoreChoice } from '../driver.ts'
import { ACL_PART } from './acl.ts'
import type { GraphName } from './facts.ts'

export interface WantedGraph {
  artifact: Artifact
  graph: GraphName
  /** The name that it gets. */
  into: GraphName
}

/** The graphs that are asked for. Throws INPUT_INVALID where the point has no such part, or a new name is given to more than one. */
export function graphsWanted(manifest: Manifest, { parts = [], into }: RestoreChoice): WantedGraph[] {
  const graphs = manifest.artifacts.filter(({ role }) => role === 'graph').map((artifact) => ({ artifact, graph: graphOf(artifact) }))
  const wanted = parts
    .filter((part) => part !== ACL_PART)
    .map((part) => {
      const found = graphs.find(({ artifact, graph }) => part === artifact.part || (part === graph.name && graph.db === 0))
      if (found) return { ...found, into: { ...found.graph, name: into ?? found.graph.name } }
      const known = [
        ...graphs.map(({ graph, artifact }) => (graph.db === 0 ? graph.name : artifact.part)),
        ...(hasUsers(manifest) ? [ACL_PART] : []),
      ]
      throw new HoldfastError('INPUT_INVALID', `${manifest.id} has no part ${part}`, {
        object: part,
        next: known.length > 0 ? `name ${known.join(', ')}` : 'leave parts out: the RDB is restored as a whole',
      })
    })
  if (into !== undefined && wanted.length !== 1)
    throw new HoldfastError('INPUT_INVALID', 'a new name is for one graph', {
      object: into,
      next: 'name one graph in parts, or leave into out',
    })
  return wanted
}

export const usersWanted = (manifest: Manifest, { parts = [] }: RestoreChoice): Artifact | undefined =>
  parts.includes(ACL_PART) ? manifest.artifacts.find(({ role }) => role === ACL_PART) : undefined

const hasUsers = (manifest: Manifest): boolean => manifest.artifacts.some(({ role }) => role === ACL_PART)

function graphOf({ part }: Artifact): GraphName {
  const [, db, name] = part.split('/')
  return { db: Number(db), name: decodeURIComponent(name ?? '') }
}

/** Where a point keeps the export of a graph; a name that no shell minds. */
export const graphPart = ({ db, name }: GraphName): string =>
  `graphs/${db}/${encodeURIComponent(name).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16)}`)}`
