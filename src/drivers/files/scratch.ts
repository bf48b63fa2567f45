/** What is where in the folder of a restored tree. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

export { makeOwnFolder as makeScratch, removeOwnFolder as removeScratch } from '../common/own-folder.ts'

/** The restored tree, with the modes that it had: others stay out of the folder around it. */
export const treeIn = (dir: string): string => join(dir, 'tree')
/** What it has to be, as the point says. */
export const indexIn = (dir: string): string => join(dir, 'index.jsonl')

export async function makeTree(dir: string): Promise<string> {
  await mkdir(treeIn(dir), { mode: 0o700 })
  return treeIn(dir)
}
