/** The stand-in for a Qdrant server, as a process: node main.ts --dir D --port P [--latency MS]; the key in QDRANT_API_KEY. */
import { parseArgs } from 'node:util'
import { collectionRoutes } from './collections.ts'
import { pointRoutes } from './points.ts'
import { createQdrantServer } from './routing.ts'
import { snapshotRoutes } from './snapshots.ts'
import { Storage } from './storage.ts'

const { values } = parseArgs({ options: { dir: { type: 'string' }, port: { type: 'string' }, latency: { type: 'string', default: '0' } } })
if (!values.dir || !values.port) throw new Error('node main.ts --dir D --port P')

const storage = new Storage(values.dir)
const routes = { ...collectionRoutes(storage), ...pointRoutes(storage), ...snapshotRoutes(storage) }
const server = createQdrantServer(routes, { apiKey: process.env['QDRANT_API_KEY'], latencyMs: Number(values.latency) })
server.requestTimeout = 0
server.listen(Number(values.port), '127.0.0.1')
process.once('SIGTERM', () => {
  server.close()
  server.closeAllConnections()
})
