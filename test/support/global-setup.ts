/** Runs once before all tests: the programs that they start must be there. */
import { ensureMoto } from '../../scripts/toolbox/moto.ts'
import { ensureForTests } from '../../scripts/toolbox/ensure.ts'

export default async function setup(): Promise<void> {
  await ensureForTests()
  await ensureMoto()
}
