/** One consistent capture: the dump, and the event log, the watermarks and each lens as scripts, all in one exported snapshot. */
import { messageOf } from '../../core/errors.ts'
import type { Artifact, Inventory } from '../../core/records.ts'
import type { ArtifactSink, Captured, CaptureRequest, DriverContext } from '../driver.ts'
import { type Additions, capture as captureLogical } from '../postgres-logical/capture.ts'
import { rowsCommand } from '../postgres-logical/commands.ts'
import type { Selection } from '../postgres-common/relations.ts'
import { type EventsSourceConfig, logicalOf } from './config.ts'
import { horizonOf } from './horizon.ts'
import { describeLog, logOf } from './log.ts'
import { watermarksOf } from './watermarks.ts'

export interface EventsSource {
  config: EventsSourceConfig
  connection: string
  lockWaitMs: number
  /** How long those who have taken a number and not committed are waited for. */
  settleMs: number
}

export async function capture(
  source: EventsSource,
  context: DriverContext,
  request: CaptureRequest,
  sink: ArtifactSink,
): Promise<Captured> {
  const { config, connection, lockWaitMs, settleMs } = source
  context.onProgress({ phase: 'settle' })
  const horizon = await horizonOf(connection, config.events, { waitMs: settleMs, signal: context.signal })
  const warnings: string[] = []
  const additions: Additions = {
    async look(client) {
      const log = await logOf(client, config.events, horizon)
      if (log.inFlight.length > 0)
        warnings.push(
          `the event log goes to ${log.max} and is settled to ${log.settled}: ${horizon.unsure ?? 'numbers after it were taken while the snapshot was'}`,
        )
      return { ...describeLog(log), ...(await watermarksOf(client, config.events)) }
    },
    async parts({ options, sink: into, context: within }) {
      const taken = { artifacts: [] as Artifact[], inventory: {} as Inventory, warnings }
      for (const { part, role, required, selection } of partsOf(config)) {
        within.onProgress({ phase: part })
        try {
          taken.artifacts.push(await into.store({ part, role, required, stages: [rowsCommand(selection, options)] }))
          if (!required) taken.inventory[`part ${part}`] = { outcome: 'captured' }
        } catch (error) {
          if (required || within.signal.aborted) throw error
          taken.inventory[`part ${part}`] = { outcome: 'failed' }
          warnings.push(`${part} was not captured as a part: ${messageOf(error)}`)
        }
      }
      return taken
    },
  }
  return captureLogical({ config: logicalOf(config), connection, lockWaitMs }, context, request, sink, additions)
}

interface Part {
  part: string
  role: 'eventlog' | 'watermarks' | 'lens'
  required: boolean
  selection: Selection
}

function partsOf({ parts, events, lenses }: EventsSourceConfig): Part[] {
  const all: Part[] = [
    { part: 'eventlog', role: 'eventlog', required: true, selection: { tables: [events.table, events.outbox.table] } },
    { part: 'watermarks', role: 'watermarks', required: true, selection: { tables: [events.watermarks.table] } },
    ...Object.keys(lenses).map((lens): Part => ({ part: lens, role: 'lens', required: false, selection: { schemas: [lens] } })),
  ]
  return all.filter(({ role }) => parts.includes(role === 'lens' ? 'lenses' : role))
}
