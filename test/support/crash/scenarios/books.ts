/** The lane of the logical source: a small database of its own, backed up, proved and expired without any pair. */
import { join } from 'node:path'
import { writeFile } from 'node:fs/promises'
import { type Cluster, createCluster } from '../../../../scripts/toolbox/postgres.ts'
import { addPoint } from '../../catalog.ts'
import { type Scenario, freshId } from '../scenario.ts'
import type { CrashStage, Crashed, Lane } from '../stage.ts'
import { instanceProblems } from '../world/instances.ts'
import { evidenceProblems, pointsOf, repositoryProblems } from '../world/repository.ts'
import { serverProblems } from '../world/source.ts'

const SOURCE = 'books'
const SHELF = 'shelf'
const CONTENT = `create table book (id int primary key, title text not null);
  insert into book select n, 'title ' || n from generate_series(1, 2000) n;
  create sequence reading; select nextval('reading')`

export interface Books {
  lane: Lane
  cluster: Cluster
  backup: Scenario
  verifyRestore: Scenario
  retention: Scenario
}

export async function openBooks(stage: CrashStage): Promise<Books> {
  const cluster = await createCluster({ dir: join(stage.stack.dir, 'books'), dbname: 'books' })
  stage.onClose(() => cluster.destroy())
  await cluster.query(CONTENT, 'books')
  const connectionFile = join(stage.stack.dir, 'keys', 'books')
  await writeFile(connectionFile, cluster.connection('books'), { mode: 0o600 })
  const lane = await stage.openLane('books', (settings) => {
    const { osUser, repository } = settings['sources'].shop
    const source = { driver: 'postgres-logical', connection: `\${file:${connectionFile}}`, repository, ...(osUser && { osUser }) }
    settings['sources'] = {
      [SOURCE]: { ...source, retention: { keepLast: 1_000 } },
      [SHELF]: { ...source, retention: { keepLast: 1 } },
    }
    settings['failoverGroups'] = {}
  })
  const books = { lane, cluster }
  return { ...books, backup: backup(books), verifyRestore: verifyRestore(books), retention: retention(books) }
}

type Place = Pick<Books, 'lane' | 'cluster'>

const starting = (lane: Lane, type: string, input: unknown) => () =>
  lane.client.workflow.start(type, { taskQueue: 'holdfast', workflowId: freshId(type), args: [input] })

/** What holds after every run of this lane. */
async function common({ lane, cluster }: Place, source: string, { handle }: Crashed, fresh: string[]): Promise<string[]> {
  return [
    ...(await repositoryProblems(lane, source, fresh)),
    ...(await instanceProblems(lane.scratchDir)),
    ...(await serverProblems(cluster)),
    ...(source === SHELF ? [] : await evidenceProblems(lane, source, (await handle.describe()).runId)),
  ]
}

function backup(place: Place): Scenario {
  const { lane } = place
  return {
    name: 'backup',
    lane,
    async prepare() {
      const before = new Set((await pointsOf(lane, SOURCE)).map(({ id }) => id))
      return {
        start: starting(lane, 'backup', { source: SOURCE }),
        async compare(crashed) {
          const fresh = (await pointsOf(lane, SOURCE)).map(({ id }) => id).filter((id) => !before.has(id))
          const told = 'value' in crashed.outcome ? (crashed.outcome.value as { id: string }).id : undefined
          const count = fresh.length === 1 && fresh[0] === told ? [] : [`new points: ${fresh.join(', ') || 'none'}; the run says ${told}`]
          return [...count, ...(await common(place, SOURCE, crashed, fresh))]
        },
      }
    },
  }
}

function verifyRestore(place: Place): Scenario {
  const { lane } = place
  return {
    name: 'verifyRestore',
    lane,
    async prepare() {
      if ((await pointsOf(lane, SOURCE)).length === 0) await lane.calm(starting(lane, 'backup', { source: SOURCE }))
      const id = (await pointsOf(lane, SOURCE)).at(-1)?.id ?? ''
      return {
        start: starting(lane, 'verifyRestore', { source: SOURCE, recoveryPoint: id, depth: 'full' }),
        async compare(crashed, when) {
          const { runId } = await crashed.handle.describe()
          const proofs = (await (await lane.services.catalog('hot')).proofsOf(SOURCE, id)).filter((proof) => proof.runId === runId)
          // A try that thaws while the next one runs may prove the point as well: both were seen, both are true.
          const most = when.startsWith('freeze') ? 2 : 1
          const wrong = proofs.length < 1 || proofs.length > most || proofs.some(({ ok }) => !ok)
          return [...(wrong ? [`the run left ${proofs.length} proofs`] : []), ...(await common(place, SOURCE, crashed, [id]))]
        },
      }
    },
  }
}

function retention(place: Place): Scenario {
  const { lane } = place
  return {
    name: 'retention',
    lane,
    async prepare() {
      const [store, catalog] = [await lane.services.store('hot'), await lane.services.catalog('hot')]
      const days = Math.floor(Date.now() / 1000)
      const ids: string[] = []
      for (const age of [3, 2, 1]) {
        const at = new Date((days - age * 3600) * 1000).toISOString().replace(/[-:]/g, '').replace('T', '_').slice(0, 15)
        ids.push((await addPoint(store, `${at}_manual`, { source: SHELF }, catalog)).id)
      }
      return {
        start: starting(lane, 'retention', { source: SHELF }),
        async compare(crashed) {
          const left = (await pointsOf(lane, SHELF)).map(({ id }) => id)
          const newest = ids.at(-1)
          const right = left.length === 1 && left[0] === newest
          return [
            ...(right ? [] : [`left: ${left.join(', ') || 'none'} instead of ${newest}`]),
            ...(await common(place, SHELF, crashed, [])),
          ]
        },
      }
    },
  }
}
