/** A worker that only rewinds, to be killed: what it is to do comes as JSON in the environment. */
import { rewind } from '../../src/failover/database/rewind.ts'

await rewind(JSON.parse(process.env['HOLDFAST_REWIND'] ?? '{}'))
process.stdout.write('done\n')
