/** The search attributes that every run sets: where the namespace does not know them, a run stands still without a word. */
import type { Client } from '@temporalio/client'
import { SEARCH_ATTRIBUTES } from '../contract/search-attributes.ts'
import { HoldfastError } from '../core/errors.ts'

export async function missingAttributes(client: Client): Promise<string[]> {
  const { customAttributes } = await client.connection.operatorService.listSearchAttributes({ namespace: client.options.namespace })
  return Object.values(SEARCH_ATTRIBUTES).flatMap(({ name }) => (name in customAttributes ? [] : [name]))
}

/** Throws NOT_READY. A server that does not tell is given the benefit of the doubt. */
export async function requireAttributes(client: Client): Promise<void> {
  const missing = await missingAttributes(client).catch(() => [])
  if (missing.length === 0) return
  const { namespace } = client.options
  throw new HoldfastError('NOT_READY', `the namespace "${namespace}" does not know the search attributes ${missing.join(', ')}`, {
    object: namespace,
    next: 'holdfast apply',
  })
}
