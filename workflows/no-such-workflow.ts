/** What a type runs into that nobody wrote: without it such a run would stand still for ever. */
import { workflowInfo } from '@temporalio/workflow'
import { WORKFLOWS } from '../src/contract/inputs.ts'
import { failure } from './lib/failure.ts'

export async function noSuchWorkflow(): Promise<never> {
  const { workflowType } = workflowInfo()
  const types = Object.keys(WORKFLOWS).sort().join(', ')
  throw failure('INPUT_INVALID', `there is no workflow type "${workflowType}"`, { object: workflowType, next: `start one of ${types}` })
}
