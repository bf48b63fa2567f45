/** How the last look at the keys of all sources ended, as Temporal knows it for as long as it keeps runs. */
import type { Client } from '@temporalio/client'
import { SEARCH_ATTRIBUTES } from '../contract/search-attributes.ts'

export interface KeyCheckSeen {
  workflowId: string
  at: string
  ok: boolean
}

/** A look at one source clears nothing that was found of the others. */
export async function lastKeyCheck(client: Client): Promise<KeyCheckSeen | undefined> {
  let last: KeyCheckSeen | undefined
  const query = "WorkflowType = 'checkKeys' AND ExecutionStatus != 'Running'"
  for await (const { workflowId, closeTime, status, typedSearchAttributes } of client.workflow.list({ query })) {
    const at = closeTime?.toISOString() ?? ''
    if (typedSearchAttributes.get(SEARCH_ATTRIBUTES.source) !== undefined || (last && last.at > at)) continue
    last = { workflowId, at, ok: status.name === 'COMPLETED' }
  }
  return last
}

export function keyCheckLines({ workflowId, at, ok }: KeyCheckSeen): string[] {
  return ok ? [] : [`KEYS: what is stored could not all be opened at ${at}: holdfast status --run ${workflowId} says why`]
}
