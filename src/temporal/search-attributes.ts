/** The search attributes of the contract, made known to a namespace. */
import type { Client } from '@temporalio/client'
import type { SearchAttributeType } from '@temporalio/common'
import { SEARCH_ATTRIBUTES } from '../contract/search-attributes.ts'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { until } from '../process/wait.ts'

type Attribute = { name: string; type: SearchAttributeType }
type Known = Readonly<Record<string, number>>

/** Types as the server's protocol numbers them. */
const WIRE: Record<SearchAttributeType, number> = { TEXT: 1, KEYWORD: 2, INT: 3, DOUBLE: 4, BOOL: 5, DATETIME: 6, KEYWORD_LIST: 7 }

const WANTED: readonly Attribute[] = Object.values(SEARCH_ATTRIBUTES)

/** Names that this call added, or would add. Throws where one stands there with another type; may be called again. */
export async function registerSearchAttributes(client: Client, { dryRun = false } = {}): Promise<string[]> {
  const { namespace } = client.options
  const missing = missingOf(await knownTo(client), namespace)
  const names = missing.map(({ name }) => name)
  if (missing.length === 0 || dryRun) return names
  const searchAttributes = Object.fromEntries(missing.map(({ name, type }) => [name, WIRE[type]]))
  try {
    await client.connection.operatorService.addSearchAttributes({ namespace, searchAttributes })
  } catch (cause) {
    throw new HoldfastError(
      'NOT_READY',
      `the search attributes ${names.join(', ')} cannot be added to the namespace "${namespace}": ${messageOf(cause)}`,
      {
        object: namespace,
        next: missing
          .map(
            ({ name, type }) => `temporal operator search-attribute create --namespace ${namespace} --name ${name} --type ${titled(type)}`,
          )
          .join('\n'),
        cause,
      },
    )
  }
  // The server may answer that it has added one that it has not.
  await until(async () => missingOf(await knownTo(client), namespace).length === 0, {
    timeoutMs: 30_000,
    everyMs: 100,
    what: `the search attributes of the namespace "${namespace}"`,
  })
  return names
}

async function knownTo(client: Client): Promise<Known> {
  const { customAttributes } = await client.connection.operatorService.listSearchAttributes({ namespace: client.options.namespace })
  return customAttributes
}

function missingOf(known: Known, namespace: string): Attribute[] {
  for (const { name, type } of WANTED) {
    if (known[name] === undefined || known[name] === WIRE[type]) continue
    throw new HoldfastError(
      'NOT_READY',
      `the search attribute ${name} has another type than ${titled(type)} in the namespace "${namespace}"`,
      {
        object: name,
        next: `temporal operator search-attribute remove --namespace ${namespace} --name ${name}`,
      },
    )
  }
  return WANTED.filter(({ name }) => known[name] === undefined)
}

/** `KEYWORD_LIST` as the command line writes it: `KeywordList`. */
function titled(type: SearchAttributeType): string {
  return type.toLowerCase().replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase())
}
