/** A projection built anew by an application of this process: to its end, and never two at a time. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import type { Scenario } from '../scenario.ts'
import type { CrashStage, Lane, Settings } from '../stage.ts'
import { starting } from './points.ts'

const NAME = 'shelf-view'
/** Looks at its state until a rebuild is done. */
const LOOKS = 3

export interface Application {
  /** What of it stands in holdfast.yaml. */
  settings: Settings
  /** Looks until it is done. */
  left(): number
  rebuilds: number
  /** Of these, how many it was asked for while it was at one. */
  overlaps: number
}

export async function openApplication(stage: CrashStage): Promise<Application> {
  let left = 0
  const server = createServer((request, reply) => {
    if (request.method === 'POST') {
      if (left > 0) application.overlaps += 1
      application.rebuilds += 1
      left = LOOKS
    } else if (left > 0) left -= 1
    reply.end(JSON.stringify({ status: left > 0 ? 'running' : 'completed' }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stage.onClose(async () => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/replay`
  const settings = { [NAME]: { rebuild: url, status: { url: `${url}/status` } } }
  const application: Application = { settings, left: () => left, overlaps: 0, rebuilds: 0 }
  return application
}

export const rebuild = (lane: Lane, application: Application): Scenario => ({
  name: 'rebuildProjection',
  lane,
  async prepare() {
    Object.assign(application, { overlaps: 0, rebuilds: 0 })
    return {
      start: starting(lane, 'rebuildProjection', { projection: NAME, requestedBy: 'crash' }),
      async compare() {
        const { rebuilds, overlaps } = application
        return [
          ...(rebuilds > 0 && application.left() === 0 ? [] : [`of ${rebuilds} rebuilds the last is not done`]),
          ...(overlaps === 0 ? [] : [`it was asked ${overlaps} times while it was at it`]),
        ]
      },
    }
  },
})
