/** Has snapshots made for a point, as a worker does that is about to be killed. */
import { contextFor } from '../conformance/driver.ts'
import { qdrantConfig, qdrantDriver } from './qdrant.ts'

const [url, id] = process.argv.slice(2) as [string, string]
const driver = await qdrantDriver(qdrantConfig(url, '/tmp'))
await driver.snapshot?.(contextFor(), { id, kind: 'manual', attempt: 1 })
