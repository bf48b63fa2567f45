/** What doctor says of one thing, and how a check that fails becomes a finding instead of an end. */
import { failureOf } from '../failure.ts'

export const AREAS = ['config', 'secrets', 'tools', 'repositories', 'temporal', 'sources', 'servers'] as const
export type Area = (typeof AREAS)[number]

export interface DoctorFinding {
  area: Area
  /** What it is about: a source, a repository, a program. */
  object: string
  name: string
  ok: boolean
  detail: string
  /** What to do; always there where something needs attention. */
  next?: string
}

export interface Findings {
  well(object: string, name: string, detail: string): void
  ill(object: string, name: string, detail: string, next: string): void
  /** One or the other. */
  say(ok: boolean, object: string, name: string, detail: string, next: string): void
  /** Runs a check; what it throws is a finding with the error's own next step. */
  guard(object: string, name: string, check: () => Promise<void>): Promise<void>
  readonly all: DoctorFinding[]
}

export function collect(area: Area): Findings {
  const all: DoctorFinding[] = []
  const well = (object: string, name: string, detail: string) => void all.push({ area, object, name, ok: true, detail })
  const ill = (object: string, name: string, detail: string, next: string) => void all.push({ area, object, name, ok: false, detail, next })
  return {
    all,
    well,
    ill,
    say: (ok, object, name, detail, next) => (ok ? well(object, name, detail) : ill(object, name, detail, next)),
    async guard(object, name, check) {
      try {
        await check()
      } catch (error) {
        const { code, message, next } = failureOf(error)
        ill(object, name, `${code}: ${message}`, next)
      }
    },
  }
}

/** Lines for people: what is well in short, what needs attention with what to do. */
export function report(findings: readonly DoctorFinding[]): string[] {
  const lines = findings.flatMap(({ area, object, name, ok, detail, next }) => [
    `${ok ? 'ok  ' : 'LOOK'} ${area} ${object}: ${name}: ${detail}`,
    ...(ok ? [] : (next ?? '').split('\n').map((line, index) => `     ${index === 0 ? 'next: ' : '      '}${line}`)),
  ])
  const ill = findings.filter(({ ok }) => !ok).length
  return [...lines, ill === 0 ? `all ${findings.length} checks are well` : `${ill} of ${findings.length} checks need attention`]
}
