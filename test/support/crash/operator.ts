/** The operator of a crash run: where it parks, the step is tried again; where that does not help, it is aborted, if it may be. */
import type { WorkflowHandle } from '@temporalio/client'
import { abort, retryStep, type RunView, viewQuery } from '../../../src/contract/messages.ts'
import { SEARCH_ATTRIBUTES } from '../../../src/contract/search-attributes.ts'

const EVERY_MS = 500

/** Looks after the run until it has ended; `parked` gets a line for each reason that it waited for somebody. */
export async function attend(handle: WorkflowHandle, parked: string[]): Promise<void> {
  while (true) {
    const { status, typedSearchAttributes } = await handle.describe()
    if (status.name !== 'RUNNING') return
    // The state of the run, not its answer: a worker that is frozen gives none.
    if (typedSearchAttributes.get(SEARCH_ATTRIBUTES.outcome) === 'awaiting-operator') await decide(handle, parked).catch(() => {})
    await new Promise((done) => setTimeout(done, EVERY_MS))
  }
}

async function decide(handle: WorkflowHandle, parked: string[]): Promise<void> {
  const { awaiting, noReturn } = (await handle.query(viewQuery)) as RunView
  if (!awaiting) return
  const line = `${awaiting.what}: ${awaiting.why}`
  const again = !parked.includes(line) && awaiting.can.includes('retryStep')
  if (!parked.includes(line)) parked.push(line)
  const by = { actor: 'operator', reason: 'a worker crashed' }
  if (again || noReturn) await handle.executeUpdate(retryStep, { args: [{ ...by, step: awaiting.what }] })
  else await handle.executeUpdate(abort, { args: [by] })
}
