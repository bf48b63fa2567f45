/** Each source's own preflight: what would make its next backup fail or say less. */
import { access, constants } from 'node:fs/promises'
import type { Config } from '../../config/schema.ts'
import type { OpenedServices } from '../context.ts'
import type { Findings } from './finding.ts'

const PREFLIGHT_MS = 120_000

export async function examineSources({ sources }: Config, findings: Findings, services: OpenedServices): Promise<void> {
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

async function isReadable(file: string): Promise<boolean> {
  return access(file, constants.R_OK).then(
    () => true,
    () => false,
  )
}
