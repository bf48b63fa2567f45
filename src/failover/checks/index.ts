/** Whether the service behind a failover group works for its users: checks by HTTP and by SQL, each within a bound time. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ClientConfig } from 'pg'
import type { CheckConfig } from '../../config/schema.ts'
import { HoldfastError } from '../../core/errors.ts'
import { checkHttp } from './http.ts'
import { checkSql } from './sql.ts'

export interface Verdict {
  ok: boolean
  detail: string
}

export interface CheckResult extends Verdict {
  name: string
  seconds: number
}

export interface CheckOptions {
  /** Where SQL checks are asked: the side that should be primary. Needed only where there is one. */
  connection?: ClientConfig
  /** For one look; 10 s by default. */
  timeoutMs?: number
  /** A check that is not well is looked at again for so long; 0, a single look, by default. */
  settleMs?: number
}

/** Runs all of them at once. A check that is not well is a result; only a cancelled run throws. */
export async function runChecks(checks: CheckConfig[], options: CheckOptions, signal: AbortSignal): Promise<CheckResult[]> {
  return Promise.all(checks.map((check) => runCheck(check, options, signal)))
}

async function runCheck(check: CheckConfig, options: CheckOptions, signal: AbortSignal): Promise<CheckResult> {
  const name = 'http' in check ? `GET ${withoutSecrets(check.http)}` : check.sql
  const startedAt = performance.now()
  const seconds = () => Math.round(performance.now() - startedAt) / 1000
  for (let looks = 1; ; looks++) {
    const { ok, detail } = await look(check, options, signal)
    if (signal.aborted) throw new HoldfastError('CANCELLED', `the check ${name} was cancelled`, { object: name, cause: signal.reason })
    if (ok || seconds() * 1000 >= (options.settleMs ?? 0))
      return { name, ok, detail: looks > 1 ? `${detail} (look ${looks})` : detail, seconds: seconds() }
    await delay(250, undefined, { signal }).catch(() => {})
  }
}

async function look(check: CheckConfig, { connection, timeoutMs = 10_000 }: CheckOptions, signal: AbortSignal): Promise<Verdict> {
  const late = AbortSignal.timeout(timeoutMs)
  const either = AbortSignal.any([signal, late])
  const verdict = 'http' in check ? await checkHttp(check, either) : await checkSql(check, needed(connection, check.sql), either, timeoutMs)
  return late.aborted && !verdict.ok ? { ok: false, detail: `no answer within ${timeoutMs / 1000} s` } : verdict
}

function needed(connection: ClientConfig | undefined, sql: string): ClientConfig {
  if (connection) return connection
  throw new HoldfastError('CONFIG_INVALID', `the check ${sql} has no database to ask`, { object: 'checks' })
}

/** Names stand in histories and reports: what a URL carries as password or query does not. */
function withoutSecrets(url: string): string {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname}`
}
