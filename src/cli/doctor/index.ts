/** Everything the configuration names, looked at from this machine. Changes nothing but probe objects that it removes. */
import { loadConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { CommandContext, OpenedServices } from '../context.ts'
import { examineConfig, examineSecrets } from './config.ts'
import { AREAS, type Area, collect, type DoctorFinding, type Findings } from './finding.ts'
import { examineRepositories } from './repositories.ts'
import { examineServers } from './servers.ts'
import { examineSources } from './sources.ts'
import { examineTemporal } from './temporal.ts'
import { examineTools } from './tools.ts'

export { AREAS, report } from './finding.ts'

type Examine = (config: Config, findings: Findings, services: OpenedServices) => Promise<void>

const EXAMINE: Record<Area, Examine> = {
  config: examineConfig,
  secrets: examineSecrets,
  tools: examineTools,
  repositories: examineRepositories,
  temporal: examineTemporal,
  sources: examineSources,
  servers: examineServers,
}

/** Throws CONFIG_INVALID; everything else that is wrong is a finding. */
export async function examine({ options, wiring }: CommandContext, only: readonly string[] = AREAS): Promise<DoctorFinding[]> {
  const unknown = only.find((area) => !AREAS.includes(area as Area))
  if (unknown)
    throw new HoldfastError('INPUT_INVALID', `doctor has no area "${unknown}"`, { object: unknown, next: `choose of ${AREAS.join(', ')}` })
  const config = await loadConfig(options.config)
  const services = await wiring.openServices(config)
  try {
    const areas = AREAS.filter((area) => only.includes(area))
    const examined = await Promise.all(
      areas.map(async (area) => {
        const findings = collect(area)
        await findings.guard(area, 'examination', () => EXAMINE[area](config, findings, services))
        return findings.all
      }),
    )
    return examined.flat()
  } finally {
    await services.close()
  }
}
