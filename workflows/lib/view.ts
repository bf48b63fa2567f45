/** What a run shows of itself while it runs: the query, the UI's details pane and the search attributes, from one state. */
import { setCurrentDetails, setHandler, upsertSearchAttributes } from '@temporalio/workflow'
import { type RunView, type StepStatus, type StepView, viewQuery } from '../../src/contract/messages.ts'
import { type Outcome, SEARCH_ATTRIBUTES as S } from '../../src/contract/search-attributes.ts'
import { outcomeOfFailure } from './failure.ts'

const MARK: Record<StepStatus, string> = { waiting: '·', running: '▶', done: '✔', failed: '✘', skipped: '↷', undone: '↶' }
/** The pane is about six lines high. */
const PANE_LINES = 6

export interface View {
  readonly state: RunView
  phase(name: string): void
  step(name: string, status: StepStatus, detail?: string): void
  /** Shows a change that was made to the state by hand. */
  refresh(): void
  outcome(outcome: Outcome): void
}

export function createView(labels: { source?: string; group?: string; kind?: string }): View {
  const state: RunView = { phase: 'starting', steps: [], paused: false, log: [], noReturn: false }
  const started = new Map<string, number>()
  setHandler(viewQuery, () => state, { description: 'phase, steps and what awaits an operator' })
  upsertSearchAttributes([
    ...(labels.source ? [{ key: S.source, value: labels.source }] : []),
    ...(labels.group ? [{ key: S.group, value: labels.group }] : []),
    ...(labels.kind ? [{ key: S.kind, value: labels.kind }] : []),
    { key: S.outcome, value: 'running' },
  ])

  const refresh = () => setCurrentDetails(render(state))
  return {
    state,
    phase(name) {
      state.phase = name
      upsertSearchAttributes([{ key: S.phase, value: name }])
      refresh()
    },
    step(name, status, detail) {
      if (status === 'running' && !started.has(name)) started.set(name, Date.now())
      const from = started.get(name)
      const seconds = from !== undefined && status !== 'running' ? (Date.now() - from) / 1000 : undefined
      const row: StepView = { name, status, ...(seconds !== undefined && { seconds }), ...(detail !== undefined && { detail }) }
      const at = state.steps.findIndex((step) => step.name === name)
      if (at < 0) state.steps.push(row)
      else state.steps[at] = row
      refresh()
    },
    refresh,
    outcome(outcome) {
      upsertSearchAttributes([{ key: S.outcome, value: outcome }])
      refresh()
    },
  }
}

/** Runs the body; a run that fails or is cancelled in it says so in its search attributes. */
export async function reporting<T>(view: View, body: () => Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (error) {
    view.outcome(outcomeOfFailure(error))
    throw error
  }
}

function render(state: RunView): string {
  const head = state.awaiting
    ? `**awaiting operator** ${state.awaiting.what}: ${state.awaiting.why} (${state.awaiting.can.join(', ')})`
    : `**${state.phase}**${state.paused ? ' — paused' : ''}`
  const plan = state.plan && state.phase === 'approval' ? [`plan \`${state.plan.hash}\`: ${state.plan.text.join('; ')}`] : []
  const room = PANE_LINES - 1 - plan.length
  const rows = state.steps
    .slice(-room)
    .map(
      (s) =>
        `- ${MARK[s.status]} ${s.name}${s.seconds === undefined ? '' : ` ${s.seconds.toFixed(1)} s`}${s.detail ? ` — ${s.detail}` : ''}`,
    )
  return [head, ...plan, '', ...rows].join('\n')
}
