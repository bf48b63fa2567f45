/** Stops and removes an instance that a recovery left running beside the live one, on whichever host of the pair it is. */
import { isCancellation, proxyActivities } from '@temporalio/workflow'
import type { RecoverActivities } from '../activities/recover.ts'
import type { DiscardInput } from '../src/contract/inputs.ts'
import { failure, parseInput, partsOf } from './lib/failure.ts'
import { control, data, dataOn, onHost } from './lib/options.ts'
import { createView, reporting } from './lib/view.ts'

const { hostsOf } = proxyActivities<RecoverActivities>(control)

export interface Discarded {
  discarded: string
  host?: string
}

export async function discardInstance(given: DiscardInput): Promise<Discarded> {
  const { source, instance, host: named } = parseInput('discardInstance', given)
  const view = createView({ source, kind: 'discard' })
  return reporting(view, async () => {
    const { hosts } = named === undefined ? await hostsOf({ source }) : { hosts: [named] }
    // The primary may have moved since: it is where it was made.
    const host = await hostWith(source, instance, hosts)
    await proxyActivities<RecoverActivities>(dataOn(host)).discardInstance.executeWithOptions({ summary: instance }, [{ source, instance }])
    view.outcome('success')
    return { discarded: instance, ...(host !== undefined && { host }) }
  })
}

/** The host that has it; none where any data worker does. A host that does not answer is no answer: it may run there. */
async function hostWith(source: string, instance: string, hosts: string[]): Promise<string | undefined> {
  const places = hosts.length > 0 ? hosts : [undefined]
  const asked = await Promise.all(places.map((host) => ask(host, source, instance)))
  const there = asked.find(({ found }) => found)
  if (there) return there.host
  const silent = asked.filter(({ why }) => why !== undefined)
  if (silent.length > 0) {
    const said = silent.map(({ host, why }) => `${host ?? 'the data worker'}: ${why}`).join('; ')
    throw failure('SOURCE_UNREACHABLE', `${instance} may still run where nobody answered (${said})`, {
      object: instance,
      next: `start a worker there, then holdfast discard ${source} ${instance}`,
    })
  }
  throw failure('NOT_FOUND', `No instance "${instance}" of ${source} on ${hosts.join(', ') || 'the data worker'}`, {
    object: instance,
    next: 'compare with the report of the recovery: it names the instance and its host',
  })
}

async function ask(host: string | undefined, source: string, instance: string): Promise<{ host?: string; found: boolean; why?: string }> {
  const at = host === undefined ? { ...data, scheduleToStartTimeout: '90s' as const } : onHost(host, { start: '20s', close: '2m' })
  try {
    const { findInstance } = proxyActivities<RecoverActivities>(at)
    const { found } = await findInstance.executeWithOptions({ summary: host ?? instance }, [{ source, instance }])
    return { ...(host !== undefined && { host }), found }
  } catch (error) {
    const { code, message } = partsOf(error)
    if (isCancellation(error) || !['TimeoutFailure', 'WORKER_UNREACHABLE'].includes(code)) throw error
    return { ...(host !== undefined && { host }), found: false, why: message }
  }
}
