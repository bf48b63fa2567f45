/** The version of the program that owns the store, which only that program can tell. */
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import type { Preflight } from '../driver.ts'
import type { RocksdbSourceConfig } from './config.ts'

/** It says a line and ends; one that does neither holds no backup up. */
const ANSWER_MS = 30_000
const LONGEST = 200

type Asked = Pick<Preflight, 'versions' | 'findings'>

/** Nothing where it is not configured. That it cannot be had is a warning of the backup, and refuses none. */
export async function storeVersion({ storeVersion: asked, path }: RocksdbSourceConfig, signal: AbortSignal): Promise<Asked> {
  if (!asked) return { versions: {}, findings: [] }
  const [program = '', ...args] = asked.command.map((word) => word.replaceAll('{path}', path))
  try {
    const { stdout } = await run({ program, args }, { signal, timeoutMs: ANSWER_MS })
    const version = versionIn(stdout)
    if (version === undefined) throw new HoldfastError('VERSION_UNFIT', `${program} said nothing`, { object: program })
    return { versions: { [asked.name]: version }, findings: [] }
  } catch (error) {
    if (signal.aborted) throw error
    const finding = {
      name: `version of ${asked.name}`,
      ok: false,
      required: false,
      detail: `not known: ${messageOf(error)}`,
      next: 'correct storeVersion.command of the source: it prints the version and ends with 0',
    }
    return { versions: {}, findings: [finding] }
  }
}

/** `0.1.0` of `meridian 0.1.0 (4f1d2c)`; the whole line where nothing in it looks like a version. */
function versionIn(said: string): string | undefined {
  const line = said
    .split('\n')
    .map((one) => one.trim())
    .find(Boolean)
  return (/(?<![\w.])v?(\d+(?:\.\d+)+[\w.+-]*)/.exec(line ?? '')?.[1] ?? line)?.slice(0, LONGEST)
}
