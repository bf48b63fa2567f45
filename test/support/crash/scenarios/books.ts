/** The lane of the logical source: a small database of its own, backed up, proved, brought back and expired without any pair. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Cluster, createCluster } from '../../../../scripts/toolbox/postgres.ts'
import type { Scenario } from '../scenario.ts'
import type { CrashStage, Lane } from '../stage.ts'
import { instanceProblems } from '../world/instances.ts'
import { serverProblems } from '../world/source.ts'
import { expiry } from './expiry.ts'
import { backup, type Subject, verifyRestore } from './points.ts'
import { discard, restoreBeside, restoreLive } from './restores.ts'

const CONTENT = `create table book (id int primary key, title text not null);
  insert into book select n, 'title ' || n from generate_series(1, 2000) n;
  create sequence reading; select nextval('reading')`

export interface Books {
  lane: Lane
  backup: Scenario
  verifyRestore: Scenario
  retention: Scenario
  restore: Scenario
  restoreLive: Scenario
  discard: Scenario
}

export async function openBooks(stage: CrashStage): Promise<Books> {
  const cluster = await createCluster({ dir: join(stage.stack.dir, 'books'), dbname: 'books' })
  stage.onClose(() => cluster.destroy())
  await cluster.query(CONTENT, 'books')
  const lane = await openLane(stage, cluster)
  const problems = async () => [...(await instanceProblems(lane.scratchDir)), ...(await serverProblems(cluster))]
  const books: Subject = { lane, source: 'books', problems }
  return {
    lane,
    backup: backup(books),
    verifyRestore: verifyRestore(books),
    retention: expiry({ lane, source: 'shelf', problems }),
    restore: restoreBeside(books),
    restoreLive: restoreLive(books, cluster, 'books'),
    discard: discard(books),
  }
}

async function openLane(stage: CrashStage, cluster: Cluster): Promise<Lane> {
  const connectionFile = join(stage.stack.dir, 'keys', 'books')
  await writeFile(connectionFile, cluster.connection('books'), { mode: 0o600 })
  return stage.openLane('books', (settings) => {
    const { osUser, repository } = settings['sources'].shop
    const source = { driver: 'postgres-logical', connection: `\${file:${connectionFile}}`, repository, ...(osUser && { osUser }) }
    settings['sources'] = {
      books: { ...source, retention: { keepLast: 1_000 } },
      shelf: { ...source, retention: { keepLast: 1 } },
    }
    settings['failoverGroups'] = {}
  })
}
