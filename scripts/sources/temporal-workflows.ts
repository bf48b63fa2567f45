/** Workflows of the sample: some end well, some do not, one goes on under a new run, one waits for ever with a child. */
import { ApplicationFailure, condition, continueAsNew, executeChild, sleep } from '@temporalio/workflow'

export async function order(number: number): Promise<string> {
  await condition(() => number >= 0)
  return `order ${number} is packed`
}

export async function refund(number: number): Promise<never> {
  throw ApplicationFailure.nonRetryable(`refund ${number} is refused`)
}

export async function countdown(left: number): Promise<string> {
  if (left > 0) return continueAsNew<typeof countdown>(left - 1)
  return 'zero'
}

export async function subscription(customer: string): Promise<void> {
  await executeChild(reminder, { workflowId: `${customer}/reminder`, args: [customer] })
}

export async function reminder(_customer: string): Promise<void> {
  await sleep('365 days')
}
