/** What the engine has of a point that references it, without reading it: the depth `list` of its proof. */
import { HoldfastError } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import type { PhysicalEngine } from './engine.ts'
import { referenceOf } from './restore.ts'

const LISTED = 'listed'
const ABSENT = 'absent'

/** The engine still lists the backup and those it needs, and its own manifest of it is the one that was recorded. */
export async function listReference(engine: PhysicalEngine, manifest: Manifest): Promise<Assertion[]> {
  const { label, needs, manifestDigest } = referenceOf(manifest)
  const { backups } = await engine.info()
  const has = (wanted: string) => backups.some((backup) => backup.label === wanted)
  const listed = [label, ...needs].map((wanted) => compare(`backup ${wanted}`, LISTED, has(wanted) ? LISTED : ABSENT))
  return [...listed, compare(`engine manifest ${label}`, manifestDigest, has(label) ? await digestOf(engine, label) : ABSENT)]
}

function compare(name: string, expected: string, actual: string): Assertion {
  return { name, ok: expected === actual, expected, actual }
}

/** A manifest that is not there is a finding; a repository that does not answer is an error, and asked again. */
async function digestOf(engine: PhysicalEngine, label: string): Promise<string> {
  try {
    return await engine.manifestDigest(label)
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'NOT_FOUND') return ABSENT
    throw error
  }
}
