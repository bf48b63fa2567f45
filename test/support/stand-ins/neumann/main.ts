/** The stand-in for one Neumann node, as a process: node main.ts <folder>, with etc/config.toml in it. */
import { addrOf } from './config.ts'
import { openFolder } from './folder.ts'
import { createNodeServer } from './http.ts'
import { Node } from './node.ts'

const dir = process.argv[2]
if (!dir) throw new Error('node main.ts <folder>')

const stopping = new AbortController()
const folder = openFolder(dir)
const { node, cluster } = folder.config
const [host, port] = addrOf(cluster.members, node.id)?.split(':') ?? []
const server = createNodeServer(new Node(folder, stopping.signal))
server.listen(Number(port), host)
process.once('SIGTERM', () => {
  stopping.abort()
  server.close()
  server.closeAllConnections()
})
