/** A process that takes a cold snapshot as a worker does, to be killed in the middle: config as JSON, then the point's id. */
import { createDriver } from '../../src/drivers/raft-cluster/index.ts'
import { raftClusterSource } from '../../src/drivers/raft-cluster/config.ts'

const [, , config = '{}', id = ''] = process.argv
const driver = await createDriver(raftClusterSource.parse(JSON.parse(config)), { source: 'orders' })
await driver.snapshot?.({ signal: new AbortController().signal, onProgress() {} }, { id, kind: 'full', attempt: 1 })
