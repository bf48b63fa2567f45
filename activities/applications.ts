/** Stopping and starting what stands around a source, and having its projections built anew. */
import { named } from '../src/config/named.ts'
import type { Config } from '../src/config/schema.ts'
import { type Application, type ApplicationState, openApplication } from '../src/applications/application.ts'
import { rebuildProjection } from '../src/applications/projection.ts'
import { resolveSecret } from '../src/config/secrets.ts'
import { withProgress } from './context.ts'
import { type Services, sourceOf } from './services.ts'

/** A name and where its commands run. */
export interface Around {
  name: string
  host?: string
}

export interface Surroundings {
  applications: Around[]
  /** After the applications are back: they serve its API. */
  projections: Around[]
}

export function createApplicationActivities(services: Services) {
  const { config } = services
  return {
    /** Recorded before anything is stopped: a second try would find it stopped. */
    async inspectApplication({ application }: { application: string }): Promise<ApplicationState> {
      return withProgress(({ signal }) => openOne(config, application).inspect(signal))
    },

    async stopApplication({ application }: { application: string }): Promise<void> {
      await withProgress(({ signal }) => openOne(config, application).stop(signal))
    },

    async startApplication({ application, state }: { application: string; state: ApplicationState }): Promise<void> {
      await withProgress(({ signal }) => openOne(config, application).start(state, signal))
    },

    async placeProjection({ projection }: { projection: string }): Promise<Around> {
      return placeOf(projection, projectionOf(config, projection))
    },

    async rebuildProjection({
      projection,
      parameters = {},
    }: {
      projection: string
      parameters?: Record<string, unknown>
    }): Promise<{ projection: string; said: Record<string, unknown> }> {
      return withProgress(async ({ signal, onProgress, attempt }) => {
        const one = projectionOf(config, projection)
        const token = one.token === undefined ? {} : { token: await resolveSecret(one.token) }
        const again = attempt > 1
        const said = await rebuildProjection({ name: projection, config: one, parameters, again, ...token, signal, onProgress })
        return { projection, said }
      })
    },
  }
}
export type ApplicationActivities = ReturnType<typeof createApplicationActivities>

/** What is stopped while the source is replaced, and built anew afterwards; undefined where there is nothing. */
export function surroundingsOf(config: Config, source: string): Surroundings | undefined {
  const { applications, projections } = sourceOf(config, source)
  if (applications.length === 0 && projections.length === 0) return undefined
  return {
    applications: applications.map((name) => placeOf(name, applicationOf(config, name))),
    projections: projections.map((name) => placeOf(name, projectionOf(config, name))),
  }
}

const placeOf = (name: string, { host }: { host?: string | undefined }): Around => ({ name, ...(host !== undefined && { host }) })

const openOne = (config: Config, name: string): Application => openApplication(applicationOf(config, name))
const applicationOf = (config: Config, name: string) => named('application', config.applications, name)
const projectionOf = (config: Config, name: string) => named('projection', config.projections, name)
