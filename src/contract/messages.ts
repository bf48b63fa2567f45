/** Updates, queries and signals of running workflows: what the CLI, the UI and the runs agree on. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import { z } from 'zod'

export const actionInput = z.strictObject({ actor: z.string().min(1), reason: z.string().min(1) })
export const approveInput = z.strictObject({ actor: z.string().min(1), reason: z.string().min(1), planHash: z.string().min(1) })
export const stepInput = z.strictObject({ actor: z.string().min(1), reason: z.string().min(1), step: z.string().min(1) })
export const attestInput = z.strictObject({ actor: z.string().min(1), reason: z.string().min(1), secondPerson: z.string().min(1) })
export type Action = z.infer<typeof actionInput>
export type Approval = z.infer<typeof approveInput>
export type StepAction = z.infer<typeof stepInput>
export type Attestation = z.infer<typeof attestInput>

/** The answer of every update: what the run made of it. */
export interface Answer {
  accepted: true
  message: string
}

export const approve = defineUpdate<Answer, [Approval]>('approve')
export const reject = defineUpdate<Answer, [Action]>('reject')
export const pause = defineUpdate<Answer, [Action]>('pause')
export const resume = defineUpdate<Answer, [Action]>('resume')
export const retryStep = defineUpdate<Answer, [StepAction]>('retryStep')
export const skipStep = defineUpdate<Answer, [StepAction]>('skipStep')
export const abort = defineUpdate<Answer, [Action]>('abort')
export const attestFenced = defineUpdate<Answer, [Attestation]>('attestFenced')

export const UPDATES = {
  approve: { schema: approveInput, about: 'approve the plan that is shown; planHash is in the details' },
  reject: { schema: actionInput, about: 'refuse the plan; the run ends' },
  pause: { schema: actionInput, about: 'stop before the next step' },
  resume: { schema: actionInput, about: 'go on; also reopens an approval that expired' },
  retryStep: { schema: stepInput, about: 'try the step again that is out of retries' },
  skipStep: { schema: stepInput, about: 'go on without the step; the guarantee that is lost is recorded' },
  abort: { schema: actionInput, about: 'undo and end; refused past the point of no return' },
  attestFenced: { schema: attestInput, about: 'declare that a host that cannot be reached accepts no writes; two persons' },
} as const

export type StepStatus = 'waiting' | 'running' | 'done' | 'failed' | 'skipped' | 'undone'
export interface StepView {
  name: string
  status: StepStatus
  seconds?: number
  detail?: string
}

/** What a run shows of itself: the query that the CLI follows. */
export interface RunView {
  phase: string
  steps: StepView[]
  paused: boolean
  /** Set while an operator has to act: which step, why, what can be done. */
  awaiting?: { what: string; why: string; can: string[] }
  plan?: { hash: string; text: string[]; approvals: string[]; needed: number; expiresAt?: string }
  log: { at: string; actor: string; action: string; reason: string; refused?: string }[]
  noReturn: boolean
}
export const viewQuery = defineQuery<RunView>('view')

/** Between a run and the lock of a resource. */
export interface LockRequest {
  workflowId: string
  runId: string
  work: string
  priority: number
  wait: boolean
  what: string
  /** A child works under what its parent holds. */
  parent?: { workflowId: string; runId: string }
}
export interface LockAnswer {
  resource: string
  granted: boolean
  number: number
  holder?: string
  holderId?: string
  since?: string
}
export const acquireSignal = defineSignal<[LockRequest]>('acquire')
export const releaseSignal = defineSignal<[{ workflowId: string; runId: string }]>('release')
export const lockAnswerSignal = defineSignal<[LockAnswer]>('lockAnswer')
export const preemptSignal = defineSignal<[{ resource: string; by: string }]>('preempt')
export interface LockView {
  resource: string
  holder?: { workflowId: string; what: string; work: string; since: string; ageSeconds: number; mayBePreemptedBy: string[] }
  waiting: string[]
}
export const lockQuery = defineQuery<LockView>('holder')

/** What every result says of its run. */
export interface Ended {
  outcome: 'success' | 'degraded'
  /** Why there is no record of what was done. */
  recordMissing?: string
}
