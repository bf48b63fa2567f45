/** Each source's own preflight: what would make its next backup fail or say less. */
import { access, constants } from 'node:fs/promises'
import { ownersOf } from '../../config/logs.ts'
import type { Config } from '../../config/schema.ts'
import type { OpenedServices } from '../context.ts'
import type { Findings } from './finding.ts'

const PREFLIGHT_MS = 120_000

export async function examineSources(config: Config, findings: Findings, services: OpenedServices): Promise<void> {
  const { sources } = config
  examineLogs(config, findings)
  for (const [name, source] of Object.entries(sources)) {
    if (source.driver === 'postgres-physical' && !(await isReadable(source.pgbackrestConfig))) {
      const detail = `${source.pgbackrestConfig} is not on this machine: what hangs on the host was not looked at`
      findings.ill(name, 'preflight', detail, `run holdfast doctor on the host ${source.host} too`)
      continue
    }
    await findings.guard(name, 'preflight', async () => {
      const driver = await services.driver(name)
      const signal = AbortSignal.timeout(PREFLIGHT_MS)
      const { versions, findings: found } = await driver.preflight({ signal, onProgress: () => {} })
      findings.well(
        name,
        'versions',
        Object.entries(versions)
          .map(([what, version]) => `${what} ${version}`)
          .join(', '),
      )
      for (const { name: check, ok, detail, next } of found) findings.say(ok, name, check, detail, next ?? `correct ${check} of the source`)
    })
  }
}

/** Not refused where it is read: a host that only ships its log needs to know no source. */
function examineLogs(config: Config, findings: Findings): void {
  for (const [name, { keep }] of Object.entries(config.archives)) {
    if (keep === undefined) continue
    const owners = ownersOf(config, name)
    findings.say(
      owners.length > 0,
      `archives.${name}`,
      'keep',
      owners.length > 0
        ? `older than ${keep} goes by retention of ${owners.join(', ')}`
        : 'wal of no source names it: nothing of it ever goes',
      'name it in wal.archive of its source, or in wal.earlier where that was restored since',
    )
  }
}

async function isReadable(file: string): Promise<boolean> {
  return access(file, constants.R_OK).then(
    () => true,
    () => false,
  )
}
