/** A migration runs once: it is done, or the source is what it was before; never half of it. */
import { findProgram } from '../../../../scripts/toolbox/find.ts'
import { run } from '../../../../src/process/run.ts'
import { causesOf } from '../../../../scripts/causes.ts'
import { freshId, type Scenario } from '../scenario.ts'
import { common, idsOf, starting } from './points.ts'
import type { Member } from './site.ts'

const NAME = 'renumber'
const KEY = 'version'

const ldb = (path: unknown, ...args: string[]) => [findProgram('ldb'), `--db=${String(path)}`, ...args]

/** What {schemaVersion} becomes is what the store holds afterwards. */
export const migrationOf = ({ path }: Record<string, unknown>) => ({
  [NAME]: { run: ldb(path, 'put', KEY, '{schemaVersion}'), check: ldb(path, 'get', KEY) },
})

export const migration = (member: Member): Scenario => ({
  name: 'migrate',
  lane: member.lane,
  // What a killed migration has done nobody knows: it is undone, and the run says so.
  mayFail: /the migration failed: .* is restored from/s,
  async prepare() {
    const { lane, source, sample } = member
    const { path } = sample.config
    const [old, next] = [freshId('old'), freshId('next')]
    await call(ldb(path, 'put', KEY, old))
    const before = new Set(await idsOf(member))
    return {
      start: starting(lane, 'migrate', { source, schemaVersion: next, run: NAME, requestedBy: 'crash' }),
      async compare(crashed) {
        const now = await call(ldb(path, 'get', KEY))
        const wanted = 'value' in crashed.outcome ? next : old
        const fresh = (await idsOf(member)).filter((id) => !before.has(id))
        return [
          ...(now === wanted ? [] : [`the store is at ${now} instead of ${wanted}; ${ending(crashed.outcome)}`]),
          ...(fresh.length === 1 && fresh[0]?.endsWith('_pre_migration') ? [] : [`new points: ${fresh.join(', ') || 'none'}`]),
          ...(await common(member, crashed, { fresh })),
        ]
      },
    }
  },
})

const ending = (outcome: { value: unknown } | { error: unknown }): string =>
  'error' in outcome ? `the run failed: ${causesOf(outcome.error)}` : 'the run succeeded'

async function call([program = '', ...args]: string[]): Promise<string> {
  return (await run({ program, args })).stdout.trim()
}
