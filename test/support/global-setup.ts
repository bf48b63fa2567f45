/** Runs once before all tests: the programs that they start must be there. */
import { ensureMoto } from '../../scripts/toolbox/moto.ts'
import { ensureToolbox } from '../../scripts/toolbox/ensure.ts'

export default async function setup(): Promise<void> {
  await ensureToolbox()
  await ensureMoto()
}
