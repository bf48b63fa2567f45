import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startFalkorDB } from '../../../scripts/toolbox/falkordb.ts'
import { findProgram, lookUp } from '../../../scripts/toolbox/find.ts'
import type { RedisServer } from '../../../scripts/toolbox/redis.ts'
import { run } from '../../../src/process/run.ts'
import { serverPromises } from '../../support/server-promises.ts'

const NEEDS = ['falkordb-redis-server', 'falkordb-check-rdb', 'redis-cli']

async function query({ port }: RedisServer, cypher: string): Promise<string> {
  const args = ['-e', '-p', String(port), 'graph.query', 'shop', cypher]
  return (await run({ program: findProgram('redis-cli'), args })).stdout
}

const write = async (server: RedisServer) => {
  expect(await query(server, 'create (:Order {total: 4217})')).toContain('Nodes created: 1')
}

serverPromises<RedisServer>({
  name: 'a FalkorDB server',
  needs: NEEDS,
  start: startFalkorDB,
  write,
  read: async (server) => /^4217$/m.exec(await query(server, 'match (o:Order) return o.total'))?.[0],
})

test.skipIf(!NEEDS.every(lookUp))('what a FalkorDB server saves is readable to the check of its own Redis', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-falkordb-'))
  try {
    const server = await startFalkorDB({ dir }).then(async (started) => {
      await write(started).finally(started.stop)
      return started
    })
    const { stdout } = await run({ program: findProgram('falkordb-check-rdb'), args: [join(server.dir, 'dump.rdb')] })
    expect(stdout).toMatch(/RDB looks OK/)
  } finally {
    rmSync(dir, { recursive: true })
  }
})
