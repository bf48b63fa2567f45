/** A namespace: what of it can be made again elsewhere, and its search attributes. */
import { canonicalBytes } from '../../catalog/canonical.ts'
import { HoldfastError } from '../../core/errors.ts'
import { until } from '../../process/wait.ts'
import { GRPC, refusalOf, type Session } from '../../temporal/namespace-session.ts'
import { durationOf, IndexedValueType } from '../../temporal/messages.ts'

/** As the server describes it, in protobufjs's JSON: 64-bit numbers as text, bytes in base64. */
export interface NamespaceRecord {
  namespaceInfo: { name: string; id: string; description?: string; ownerEmail?: string; data?: Record<string, string> }
  config: {
    workflowExecutionRetentionTtl?: { seconds?: string }
    historyArchivalState?: string
    historyArchivalUri?: string
    visibilityArchivalState?: string
    visibilityArchivalUri?: string
  }
}

/** Name to type, like `INDEXED_VALUE_TYPE_KEYWORD`. */
export type AttributeTypes = Record<string, string>

/** Undefined where there is none of that name. */
export async function findNamespace(session: Session): Promise<NamespaceRecord | undefined> {
  try {
    const answer = await session.ask(({ workflowService }) => workflowService.describeNamespace({ namespace: session.namespace }))
    return jsonOf<NamespaceRecord>(answer)
  } catch (error) {
    if (refusalOf(error) === GRPC.notFound) return undefined
    throw error
  }
}

export async function readNamespace(session: Session): Promise<NamespaceRecord> {
  const found = await findNamespace(session)
  if (found) return found
  throw new HoldfastError('SOURCE_UNFIT', `Temporal at ${session.address} has no namespace ${session.namespace}`, {
    object: session.namespace,
    next: 'correct namespace of the source',
  })
}

/** What a message is in JSON, without its class. */
export const jsonOf = <T>(message: { toJSON(): Record<string, unknown> }): T => message.toJSON() as T

/** What is made again, as facts that a proof compares. */
export function namespaceFacts({ namespaceInfo: { description = '', ownerEmail = '', data = {} }, config }: NamespaceRecord) {
  const retention = `${config.workflowExecutionRetentionTtl?.seconds ?? 0} s`
  return { description, 'owner email': ownerEmail, data: canonicalBytes(data).toString('utf8'), retention }
}

/** Where histories go when their retention ends; undefined where they go nowhere. */
export function archivalOf({ config }: NamespaceRecord): string | undefined {
  const on = (state: string | undefined) => state === 'ARCHIVAL_STATE_ENABLED'
  const uris = [
    on(config.historyArchivalState) && `histories to ${config.historyArchivalUri}`,
    on(config.visibilityArchivalState) && `visibility to ${config.visibilityArchivalUri}`,
  ].filter((text) => text !== false)
  return uris.length > 0 ? uris.join(', ') : undefined
}

export async function readAttributes(session: Session): Promise<AttributeTypes> {
  const { customAttributes } = await session.ask(({ operatorService }) =>
    operatorService.listSearchAttributes({ namespace: session.namespace }),
  )
  return Object.fromEntries(Object.entries(customAttributes).map(([name, type]) => [name, IndexedValueType[type] ?? String(type)]))
}

const settingsOf = ({ namespaceInfo: { description = '', ownerEmail = '', data = {} }, config }: NamespaceRecord) => ({
  description,
  ownerEmail,
  data,
  retention: durationOf(config.workflowExecutionRetentionTtl?.seconds),
})

/** Without archival: a copy writes into nobody's archive. One of that name is an error. */
export async function registerNamespace(session: Session, record: NamespaceRecord, signal?: AbortSignal): Promise<void> {
  const { retention, ...info } = settingsOf(record)
  await session.ask(({ workflowService }) =>
    workflowService.registerNamespace({ namespace: session.namespace, ...info, workflowExecutionRetentionPeriod: retention }),
  )
  // The parts of the server learn of it one after the other.
  const known = async () => {
    if (!(await findNamespace(session))) return false
    return readAttributes(session).then(
      () => true,
      (error: unknown) => {
        if (refusalOf(error) === undefined) throw error
        return false
      },
    )
  }
  await until(known, { timeoutMs: 60_000, what: `the namespace ${session.namespace}`, signal })
}

/** Gives an existing one the captured description, owner, data and retention. */
export async function updateNamespace(session: Session, record: NamespaceRecord): Promise<void> {
  const { retention, ...updateInfo } = settingsOf(record)
  await session.ask(({ workflowService }) =>
    workflowService.updateNamespace({
      namespace: session.namespace,
      updateInfo,
      config: { workflowExecutionRetentionTtl: retention },
    }),
  )
}

/** Those that are there with another type: nothing changes them. */
export const clashing = (wanted: AttributeTypes, there: AttributeTypes): string[] =>
  Object.entries(wanted).flatMap(([name, type]) => (there[name] === undefined || there[name] === type ? [] : [name]))

/** Adds those that are missing, and waits until all are there. Throws SOURCE_UNFIT where one has another type. */
export async function addAttributes(session: Session, wanted: AttributeTypes, signal?: AbortSignal): Promise<void> {
  const missing = async () => {
    const there = await readAttributes(session)
    const [clash] = clashing(wanted, there)
    if (clash !== undefined)
      throw new HoldfastError(
        'SOURCE_UNFIT',
        `${session.namespace} has a search attribute ${clash} of type ${there[clash]}, not ${wanted[clash]}`,
        {
          object: clash,
          next: `remove it there, or restore into another namespace: temporal operator search-attribute remove --name ${clash}`,
        },
      )
    return Object.entries(wanted).filter(([name]) => there[name] === undefined)
  }
  const types = IndexedValueType as unknown as Record<string, number>
  const searchAttributes = Object.fromEntries((await missing()).map(([name, type]) => [name, types[type] ?? 0]))
  if (Object.keys(searchAttributes).length === 0) return
  await session.ask(({ operatorService }) => operatorService.addSearchAttributes({ namespace: session.namespace, searchAttributes }))
  await until(async () => (await missing()).length === 0, { timeoutMs: 60_000, what: 'the search attributes', signal })
}
