/** A populated system of one kind: what the quickstart shows, and what every driver is tested on from end to end. */

export interface SampleSource {
  /** Of the registry. */
  driver: string
  /** What stands under the source's name in holdfast.yaml, without its repository; secrets as references to `env`. */
  config: Record<string, unknown>
  env: Record<string, string>
  /** All of its contents as text, the same for the same contents: large ones as digests. */
  contents(): Promise<string>
  /** Changes and adds something, as users go on doing. */
  change(): Promise<void>
  /** Loses everything, as an accident does; the system itself runs on where a restore needs it to. */
  destroy(): Promise<void>
  /** What Holdfast left on it: snapshots, temporary names, locks, connections. */
  leftovers(): Promise<string[]>
  close(): Promise<void>
}

/** Starts the system in `dir`, which exists and is the sample's own, and fills it; the same seed gives the same contents. */
export type OpenSample = (dir: string) => Promise<SampleSource>
