/** Side by side: every variant once in each round, in an order that turns, so that a slow minute hits all of them. */
import { readFileSync } from 'node:fs'
import { median, round } from './rows.ts'

export interface Variant {
  name: string
  /** What is measured. `lap` keeps the time so far under a name of its own. */
  run(lap: (name: string) => void): Promise<unknown>
  /** CPU seconds that were spent before `run` and are counted only when their process ends within it. */
  cpuBefore?(): number
  /** Before and after, not measured. */
  before?(): Promise<unknown>
  after?(): Promise<unknown>
}

export interface RoundsOptions {
  rounds: number
  signal: AbortSignal
  say(line: string): void
  /** Servers whose CPU is counted with that of this process and its children. */
  servers?: () => number[]
  /** False leaves out the round that only warms caches. */
  warm?: boolean
}

export interface Samples {
  /** Seconds of each round, by variant or lap. */
  seconds: Record<string, number[]>
  /** CPU seconds of this process, its children and the servers, by variant. */
  cpu: Record<string, number[]>
  /** Cores of the machine that were busy meanwhile, with everything else that runs on it. */
  busy: Record<string, number[]>
}

export async function alternate(variants: readonly Variant[], options: RoundsOptions): Promise<Samples> {
  const samples: Samples = { seconds: {}, cpu: {}, busy: {} }
  if (options.warm ?? true) for (const variant of variants) await once(variant, options, 'warm-up')
  for (let number = 0; number < options.rounds; number++) {
    for (let at = 0; at < variants.length; at++) {
      const variant = variants[(at + number) % variants.length] as Variant
      const { laps, cpu, busy } = await once(variant, options, `round ${number + 1} of ${options.rounds}`)
      for (const [name, seconds] of Object.entries(laps)) append(samples.seconds, name, seconds)
      append(samples.cpu, variant.name, cpu)
      append(samples.busy, variant.name, busy)
    }
  }
  return samples
}

async function once(
  { name, run, before, after, cpuBefore = () => 0 }: Variant,
  { signal, say, servers = () => [] }: RoundsOptions,
  what: string,
) {
  signal.throwIfAborted()
  await before?.()
  try {
    const laps: Record<string, number> = {}
    const counted = ['self', ...servers().map(String)]
    const [cpuFrom, machineFrom, from] = [cpuSeconds(counted), machineSeconds(), performance.now()]
    const since = () => (performance.now() - from) / 1000
    await run((lap) => {
      laps[lap] = since()
    })
    const seconds = since()
    laps[name] = seconds
    say(`${what}: ${name} ${seconds.toFixed(2)} s`)
    return { laps, cpu: cpuSeconds(counted) - cpuFrom - cpuBefore(), busy: (machineSeconds() - machineFrom) / seconds }
  } finally {
    await after?.()
  }
}

/** "CPU 12.3 s against 11.8 s (1.04×), 1.9 of 2 cores busy": said with each ratio of programs that compute. */
export function cpuText({ cpu, busy }: Samples, ours: string, bare: string, cores: number): string {
  const [a, b] = [median(cpu[ours] ?? []), median(cpu[bare] ?? [])]
  return `CPU ${round(a, 1)} s against ${round(b, 1)} s (${round(a / b, 2)}×), ${busyText({ busy }, ours, cores)}`
}

export function busyText({ busy }: Pick<Samples, 'busy'>, name: string, cores: number): string {
  return `${round(median(busy[name] ?? []), 1)} of the machine's ${cores} cores busy meanwhile`
}

function append(into: Record<string, number[]>, name: string, value: number): void {
  into[name] = [...(into[name] ?? []), value]
}

const TICKS = 100

/** With that of children that have ended: a server's sessions count once they are closed. */
export function cpuSeconds(processes: readonly string[]): number {
  const ticks = processes.map((one) => {
    const fields = readFileSync(`/proc/${one}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0)
  })
  return ticks.reduce((sum, one) => sum + one, 0) / TICKS
}

function machineSeconds(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, soft = 0] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '')
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + soft) / TICKS
}
