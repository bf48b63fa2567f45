/** What a point holds: parts by name, each a tar archive or a small file, and the list of every file with its digest. */
import { z } from 'zod'
import type { Artifact, Manifest } from '../../core/records.ts'
import { shellWord } from '../../core/shell.ts'
import { readPart } from '../common/part.ts'
import type { ArtifactSource } from '../driver.ts'
import type { Listed } from './listing.ts'

export const FILES = 'files.json'
export const CLUSTER = 'cluster.json'
/** tar of `snapshots/` and, of a cold point, `store/`. */
export const STATE = 'state.tar'
const CONFIG = /^config-(.+)\.tar$/
export const configPart = (node: string): string => `config-${node}.tar`

/** The node whose configuration the part is. */
export const nodeOfConfig = ({ part }: Artifact): string | undefined => CONFIG.exec(part)?.[1]

/** Names and owners as they are; fails where a file changes while it is read. */
export const tarScript = (folder: string): string => `cd ${shellWord(folder)}; tar --create --file=- --format=pax --numeric-owner .`

/** Of what comes on its input; the folder is there. Owners only where the user may give files away. */
export const untarScript = (folder: string): string => `${untarWords.map(shellWord).join(' ')} --directory=${shellWord(folder)}`
/** Else tar stops reading at the end mark, before whoever writes has closed its side. */
const untarWords = ['tar', '--extract', '--file=-', '--ignore-zeros', '--numeric-owner', '--same-permissions']

const listedSchema = z.array(z.object({ name: z.string(), bytes: z.number(), sha256: z.string() }))
const clusterSchema = z.looseObject({
  members: z.array(z.object({ node: z.string().optional(), addr: z.string() })),
  info: z.string(),
})
export type ClusterRecord = z.infer<typeof clusterSchema>

const jsonOf = async (manifest: Manifest, part: string, source: ArtifactSource): Promise<unknown> =>
  JSON.parse(await readPart(manifest, source, part))

/** Every file of the state, as it was on the node. */
export const filesOf = async (manifest: Manifest, source: ArtifactSource): Promise<Listed[]> =>
  listedSchema.parse(await jsonOf(manifest, FILES, source))

export const clusterOf = async (manifest: Manifest, source: ArtifactSource): Promise<ClusterRecord> =>
  clusterSchema.parse(await jsonOf(manifest, CLUSTER, source))

/** A number of the inventory. */
export function fact(manifest: Manifest, thing: string, name: string): number | string | undefined {
  return manifest.inventory?.[thing]?.[name]
}
