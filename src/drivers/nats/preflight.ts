/** Whether a capture can succeed, before it is begun. Changes nothing. */
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { DriverContext, Preflight } from '../driver.ts'
import { serverOf, type StreamInfo } from './answers.ts'
import type { NatsSourceConfig } from './config.ts'
import { listStreams, type Place, withJetStream } from './jetstream.ts'
import { matching, selected } from './select.ts'
import { EXACT_SNAPSHOTS, isOlder, OLDEST, programVersion } from './versions.ts'

type Finding = Preflight['findings'][number]

export async function preflight(config: NatsSourceConfig, place: Place, context: DriverContext): Promise<Preflight> {
  context.onProgress({ phase: 'preflight' })
  return withJetStream(place, context.signal, async (js) => {
    const version = js.nc.info?.version ?? ''
    if (isOlder(version, OLDEST))
      throw new HoldfastError('VERSION_UNFIT', `${place.servers} is NATS ${version}; ${OLDEST} is the oldest that is supported`, {
        object: place.servers,
        next: `update the server to ${OLDEST} or later`,
      })
    await js.ask('INFO')
    const all = await listStreams(js)
    const streams = selected(config, all)
    const findings = [
      selectionFinding(config, all, streams),
      memoryFinding(version, streams),
      await programFinding(config, version, context.signal),
    ]
    return {
      versions: { 'nats-server': version },
      estimateBytes: streams.reduce((sum, { state }) => sum + state.bytes, 0),
      findings: findings.filter((finding): finding is Finding => finding !== undefined),
    }
  })
}

/** A pattern that matches nothing is a misspelt name: silence would leave the stream out of every backup. */
function selectionFinding({ streams: { include, exclude } }: NatsSourceConfig, all: StreamInfo[], chosen: StreamInfo[]): Finding {
  const names = all.map((info) => info.config.name)
  const empty = [...include, ...exclude].filter((pattern) => pattern !== '*' && matching(pattern, names).length === 0)
  const ok = empty.length === 0 && chosen.length > 0
  const wrong = empty.length > 0 ? `no stream matches ${empty.join(', ')}` : 'there is no stream to back up'
  return {
    name: 'streams',
    ok,
    required: true,
    detail: ok ? `${chosen.length} streams` : wrong,
    next: 'correct streams of the source, or jsDomain',
  }
}

function memoryFinding(version: string, streams: StreamInfo[]): Finding | undefined {
  const left = streams.filter((info) => info.config.storage === 'memory' && isOlder(serverOf(info) ?? version, EXACT_SNAPSHOTS))
  if (left.length === 0) return undefined
  const names = left.map((info) => info.config.name).join(', ')
  return {
    name: 'streams in memory',
    ok: false,
    required: false,
    detail: `NATS ${version} makes no snapshots of ${names}: they are left out`,
    next: `update the server to ${EXACT_SNAPSHOTS} or later, or exclude them`,
  }
}

/** A backup needs no server of its own; its proof does. */
async function programFinding({ programs: { server } }: NatsSourceConfig, version: string, signal: AbortSignal): Promise<Finding> {
  const next = `install nats-server ${version} or later on the worker, or name it in programs.server of the source`
  const finding = (ok: boolean, detail: string): Finding => ({ name: 'scratch server', ok, required: false, detail, next })
  try {
    const own = await programVersion(server, signal)
    return finding(!isOlder(own, version), `${server} is ${own}, the source ${version}`)
  } catch (error) {
    if (signal.aborted) throw error
    return finding(false, `no proof can be made here: ${messageOf(error)}`)
  }
}
