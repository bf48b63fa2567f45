/** What every source has in common: a point is taken, a point is proved, and what a calm run would leave is all there is. */
import type { WorkflowHandle } from '@temporalio/client'
import { causesOf } from '../../../../scripts/causes.ts'
import { freshId, type Scenario } from '../scenario.ts'
import type { Crashed, Lane, Start } from '../stage.ts'
import { evidenceProblems, pointsOf, repositoryProblems } from '../world/repository.ts'

export interface Subject {
  lane: Lane
  source: string
  /** Behind the workflow's name, where more than one source has such a scenario. */
  kind?: string
  /** The pair, the server, the engine's own repository: what this source stands on. */
  problems(): Promise<string[]>
}

export const nameOf = (workflow: string, { kind }: Pick<Subject, 'kind'>): string => (kind ? `${workflow} ${kind}` : workflow)

export const starting =
  (lane: Lane, type: string, input: object): Start =>
  (): Promise<WorkflowHandle> =>
    lane.client.workflow.start(type, { taskQueue: 'holdfast', workflowId: freshId(type), args: [input] })

export const idsOf = async ({ lane, source }: Subject): Promise<string[]> => (await pointsOf(lane, source)).map(({ id }) => id)

/** The newest point that a run was asked for, taken now where there is none. */
export async function ensurePoint(subject: Subject): Promise<string> {
  const found = (await idsOf(subject)).filter((id) => !id.endsWith('_pre_restore')).at(-1)
  return found ?? takePoint(subject)
}

export async function takePoint({ lane, source }: Subject): Promise<string> {
  const { outcome } = await lane.calm(starting(lane, 'backup', { source }))
  if ('value' in outcome) return (outcome.value as { id: string }).id
  throw new Error(`no backup of ${source} could be taken: ${causesOf(outcome.error)}`)
}

/** What holds after every run; `fresh` are points to be read to their end. */
export async function common(
  subject: Subject,
  { handle }: Crashed,
  { fresh = [], evidence = true }: { fresh?: string[]; evidence?: boolean } = {},
): Promise<string[]> {
  const { runId } = await handle.describe()
  return [
    ...(await repositoryProblems(subject.lane, subject.source, fresh)),
    ...(await subject.problems()),
    ...(evidence ? await evidenceProblems(subject.lane, subject.source, runId) : []),
  ]
}

export const backup = (subject: Subject): Scenario => ({
  name: nameOf('backup', subject),
  lane: subject.lane,
  async prepare() {
    const before = new Set(await idsOf(subject))
    return {
      start: starting(subject.lane, 'backup', { source: subject.source }),
      async compare(crashed) {
        const fresh = (await idsOf(subject)).filter((id) => !before.has(id))
        const told = 'value' in crashed.outcome ? (crashed.outcome.value as { id: string }).id : undefined
        const count = fresh.length === 1 && fresh[0] === told ? [] : [`new points: ${fresh.join(', ') || 'none'}; the run says ${told}`]
        return [...count, ...(await common(subject, crashed, { fresh }))]
      },
    }
  },
})

export const verifyRestore = (subject: Subject): Scenario => ({
  name: nameOf('verifyRestore', subject),
  lane: subject.lane,
  async prepare() {
    const { lane, source } = subject
    const id = await ensurePoint(subject)
    return {
      start: starting(lane, 'verifyRestore', { source, recoveryPoint: id, depth: 'full' }),
      async compare(crashed) {
        const { runId } = await crashed.handle.describe()
        const catalog = await lane.services.catalog('hot')
        const proofs = (await catalog.proofsOf(source, id)).filter((proof) => proof.runId === runId)
        const wrong = proofs.length !== 1 || proofs.some(({ ok }) => !ok)
        return [...(wrong ? [`the run left ${proofs.length} proofs`] : []), ...(await common(subject, crashed))]
      },
    }
  },
})
