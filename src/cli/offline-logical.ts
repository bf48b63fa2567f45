/** The parts of a dump as plain files, and the commands that bring them into a server. */
import { mkdir } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { HoldfastError } from '../core/errors.ts'
import type { Artifact, Manifest } from '../core/records.ts'
import type { ArtifactSource, Progress } from '../drivers/driver.ts'
import { shellWord } from '../core/shell.ts'
import { nextOfOthers } from './offline-others.ts'

export interface IntoFolder {
  into: string
  onProgress(progress: Progress): void
}

export async function restoreFiles(
  manifest: Manifest,
  source: ArtifactSource,
  { into, onProgress }: IntoFolder,
): Promise<{ files: string[]; next: string[] }> {
  const files: string[] = []
  for (const artifact of manifest.artifacts) {
    const file = fileOf(artifact, into)
    onProgress({ phase: `download ${artifact.part}`, totalBytes: artifact.storedBytes })
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await source.toFile(artifact, file)
    files.push(file)
  }
  return { files, next: isDump(manifest) ? [SERVER, ...commandsFor(manifest, into)] : nextOfOthers(manifest, into) }
}

function fileOf({ part, key }: Artifact, into: string): string {
  const file = resolve(into, part)
  if (relative(into, file).startsWith('..') || file === into)
    throw new HoldfastError('INTEGRITY', `${key} names a file outside of its folder`, { object: key })
  return file
}

const isDump = ({ driver }: Manifest) => driver.startsWith('postgres-')

interface Recorded {
  database?: { name?: string }
  selection?: { tables?: string[] }
}

const SERVER =
  '# with PGHOST, PGPORT and PGUSER set to a superuser of the new server, by the user who owns these files; a role that is there already is told of and stays as it is'

/** To be typed in order, with PGHOST, PGUSER and the like set to the new server. */
export function commandsFor({ artifacts, consistency }: Pick<Manifest, 'artifacts' | 'consistency'>, into: string): string[] {
  const { database, selection } = consistency as Recorded
  const name = shellWord(database?.name ?? 'restored')
  const file = (role: string) => {
    const found = artifacts.find((artifact) => artifact.role === role)
    return found && shellWord(join(into, found.part))
  }
  const [globals, whole, schema, data, plain] = ['globals', 'database', 'schema', 'data', 'plain'].map(file)
  const directory = artifacts.some(({ role }) => role === 'directory-entry') ? shellWord(join(into, 'directory')) : undefined
  const archive = whole ?? directory
  return [
    ...(globals ? [`psql -X -d postgres -f ${globals}`] : []),
    ...(archive && !selection?.tables?.length ? [`pg_restore --exit-on-error --create --dbname=postgres ${archive}`] : []),
    ...(archive && selection?.tables?.length ? [`createdb ${name}`, `pg_restore --exit-on-error --dbname=${name} ${archive}`] : []),
    ...(!archive && schema
      ? [
          `createdb ${name}`,
          ...['pre-data', 'data', 'post-data'].flatMap((part) => {
            const from = part === 'data' ? data : schema
            return from ? [`pg_restore --exit-on-error --section=${part} --dbname=${name} ${from}`] : []
          }),
        ]
      : []),
    ...(!archive && !schema && plain ? [`createdb ${name}`, `psql -X -v ON_ERROR_STOP=1 -d ${name} -f ${plain}`] : []),
  ]
}
