/** Calls the programs of a source: with its environment, within its time, and with no secret in what is said of them. */
import { HoldfastError } from '../../core/errors.ts'
import { seconds } from '../../core/duration.ts'
import type { Command } from '../../process/command.ts'
import { run, type RunResult } from '../../process/run.ts'
import type { DriverWiring } from '../driver.ts'
import type { CommandSourceConfig } from './config.ts'

export type Step = keyof CommandSourceConfig['commands']

/** What a program is told by its environment. */
export interface Told {
  target: 'scratch' | 'live'
  dir?: string
  point?: string
  depth?: 'restore' | 'full'
}

export interface Caller {
  readonly config: CommandSourceConfig
  readonly source: string
  /** The program of a step, or one of the user's; undefined where the source has none. */
  command(step: Step | readonly string[], told: Told): Promise<Command | undefined>
  /** Runs it to its end; undefined where the source has none. Exit codes other than 0 have to be accepted. */
  call(step: Step | readonly string[], told: Told, options: { signal?: AbortSignal; accept?: number[] }): Promise<RunResult | undefined>
  /** Runs `act` with a signal that also ends it after the time that a capture or restore may take. */
  withinTime<T>(step: Step, signal: AbortSignal, act: (signal: AbortSignal) => Promise<T>): Promise<T>
  /** The error without the values of the environment. */
  clean(error: unknown): Promise<unknown>
}

export function createCaller(config: CommandSourceConfig, { source, secret }: Pick<DriverWiring, 'source' | 'secret'>): Caller {
  const secrets = async () =>
    Object.fromEntries(await Promise.all(Object.entries(config.env).map(async ([name, ref]) => [name, await secret(ref)] as const)))
  const command: Caller['command'] = async (step, told) => {
    const [program, ...args] = (typeof step === 'string' ? config.commands[step] : step) ?? []
    if (program === undefined) return undefined
    const { target, dir, point, depth } = told
    const env = {
      ...(await secrets()),
      HOLDFAST_SOURCE: source,
      HOLDFAST_TARGET: target,
      ...(dir !== undefined && { HOLDFAST_DIR: dir }),
      ...(point !== undefined && { HOLDFAST_POINT: point }),
      ...(depth && { HOLDFAST_DEPTH: depth }),
    }
    return { program, args, env, ...(config.osUser !== undefined && { user: config.osUser }) }
  }
  const clean = async (error: unknown) => withoutValues(error, Object.values(await secrets().catch(() => ({}))))
  return {
    config,
    source,
    command,
    clean,
    async call(step, told, { signal, accept }) {
      const made = await command(step, told)
      if (!made) return undefined
      const timeoutMs = seconds(config.timeout) * 1000
      try {
        const result = await run(made, {
          timeoutMs,
          maxOutputBytes: 4 * 1024 * 1024,
          ...(signal && { signal }),
          ...(accept && { accept }),
        })
        const hide = hider(Object.values(await secrets()))
        return { ...result, stdout: hide(result.stdout), stderr: hide(result.stderr) }
      } catch (error) {
        throw await clean(error)
      }
    },
    async withinTime(step, signal, act) {
      const late = AbortSignal.timeout(seconds(config.timeout) * 1000)
      return act(AbortSignal.any([signal, late])).catch(async (error: unknown) => {
        if (!signal.aborted && late.aborted)
          throw new HoldfastError('PROCESS_TIMEOUT', `${step} of ${source} did not end within ${config.timeout}`, {
            object: source,
            next: 'look for what it waited for, or give the source a longer timeout',
          })
        throw await clean(error)
      })
    },
  }
}

/** Programs repeat what they were given, as in an error about a wrong password. */
const hider =
  (values: readonly string[]) =>
  (text: string): string =>
    values.filter((value) => value.length > 3).reduce((rest, value) => rest.replaceAll(value, '***'), text)

function withoutValues(error: unknown, values: readonly string[]): unknown {
  if (!(error instanceof HoldfastError) || values.length === 0) return error
  const hide = hider(values)
  const details = JSON.parse(JSON.stringify(error.details), (_, value: unknown) =>
    typeof value === 'string' ? hide(value) : value,
  ) as Record<string, unknown>
  const { code, next, retryable, object } = error
  // Without its cause: that one says the same in its own words.
  return new HoldfastError(code, hide(error.message), {
    next: hide(next),
    retryable,
    details,
    ...(object !== undefined && { object: hide(object) }),
  })
}
