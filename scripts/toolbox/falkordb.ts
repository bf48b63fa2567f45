/** A FalkorDB server of one's own, on loopback. */
import { findProgram } from './find.ts'
import { falkorDBModule } from './falkordb-install.ts'
import { type RedisOptions, type RedisServer, serveRedis } from './redis.ts'

/** Starts the server; resolves once it has loaded its data and answers. */
export function startFalkorDB(options: RedisOptions = {}): Promise<RedisServer> {
  const program = findProgram('falkordb-redis-server')
  return serveRedis({ name: 'FalkorDB', program, before: [], settings: [`loadmodule ${JSON.stringify(falkorDBModule())}`] }, options)
}
