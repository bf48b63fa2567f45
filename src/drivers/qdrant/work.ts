/** What each step of the driver works with: the configuration, and the servers that it names. */
import type { QdrantSourceConfig } from './config.ts'
import { type Place, type Server, withServer } from './server.ts'

export interface Work {
  config: QdrantSourceConfig
  /** The name of the source. */
  source: string
  secret(reference: string): Promise<string>
}

/** The first is asked for what all of them know. */
export type Nodes = readonly [Server, ...Server[]]

/** Every node, the one that is asked for what all of them know first. */
export const placesOf = ({ config }: Pick<Work, 'config'>): Place[] =>
  (config.nodes ?? [config.url ?? '']).map((url) => ({ url, apiKey: config.apiKey }))

/** Where restores are made that are only looked at; it may be the source. */
export function scratchPlace({ config }: Pick<Work, 'config'>): Place {
  const { url, apiKey } = config.scratch
  return url === undefined ? (placesOf({ config })[0] as Place) : { url, apiKey }
}

/** All nodes, in the order of the configuration. */
export async function withNodes<T>(work: Work, signal: AbortSignal | undefined, use: (nodes: Nodes) => Promise<T>): Promise<T> {
  const open = async (places: readonly Place[], opened: Server[]): Promise<T> => {
    const [place, ...rest] = places
    if (!place) return use(opened as unknown as Nodes)
    return withServer(work, place, signal, (server) => open(rest, [...opened, server]))
  }
  return open(placesOf(work), [])
}
