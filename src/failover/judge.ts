/** Who moves where, decided from what both sides look like; pure, so that every combination is a test. */
import type { PairMode, SiteFacts } from '../contract/failover.ts'
import { HoldfastError } from '../core/errors.ts'

export interface Question {
  group: string
  mode: PairMode
  /** The site that is primary in normal times. */
  home: string
  facts: Record<string, SiteFacts>
}

export interface Judged {
  from: string
  to: string
  epoch: number
  findings: { name: string; ok: boolean; blocks: boolean; detail: string }[]
}

/** Throws NOT_READY where nobody can say which side moves: then a person has to. */
export function judge({ group, mode, home, facts }: Question): Judged {
  const names = Object.keys(facts)
  const running = names.filter((name) => facts[name]?.role === 'primary')
  if (running.length > 1) throw notReady(group, `both ${running.join(' and ')} take writes`, 'fence one side at once')
  const primary = running[0]
  const from = mode === 'unplanned' ? (primary ?? downSide(names, facts, home)) : primary
  if (!from) throw noPrimary(group, facts)
  const to = names.find((name) => name !== from)
  if (!to) throw notReady(group, 'the pair has one side', 'correct failoverGroups in holdfast.yaml')
  if (mode === 'failback' && from === home) throw notReady(group, `${home} is the primary already`, 'nothing is to be done')
  const target = facts[to]
  const findings = findingsOf(mode, to, target)
  const epochs = names.map((name) => facts[name]?.epoch ?? 0)
  return { from, to, epoch: Math.max(...epochs) + 1, findings }
}

/** The dead primary: the side that is down, or, where both are, the one that is at home. */
function downSide(names: string[], facts: Record<string, SiteFacts>, home: string): string | undefined {
  const standby = names.find((name) => facts[name]?.role === 'standby')
  return standby ? names.find((name) => name !== standby) : home
}

function findingsOf(mode: PairMode, to: string, target: SiteFacts | undefined): Judged['findings'] {
  if (mode === 'failback') return []
  return mode === 'rebuild' ? [hostAnswers(to, target)] : [hostAnswers(to, target), ...standbyFindings(to, target)]
}

const hostAnswers = (to: string, target: SiteFacts | undefined): Judged['findings'][number] => ({
  name: 'host answers',
  ok: target?.reachable ?? false,
  blocks: true,
  detail: target?.reachable ? `${to} answers` : `the worker on the host of ${to} does not answer`,
})

function standbyFindings(to: string, target: SiteFacts | undefined): Judged['findings'] {
  const standby = target?.role === 'standby'
  return [
    {
      name: 'standby is healthy',
      ok: standby,
      blocks: true,
      detail: standby
        ? `${to} is a standby on timeline ${target.timeline}`
        : `${to} is ${target?.role ?? 'unknown'}${target?.why ? `: ${target.why}` : ''}`,
    },
    {
      name: 'commits wait for nobody',
      ok: target?.waitsFor === undefined,
      blocks: false,
      detail: target?.waitsFor
        ? `once ${to} is the primary, commits there wait for synchronous_standby_names = '${target.waitsFor}': clear it, or clients hang until such a standby is back`
        : `${to} asks for no synchronous standby`,
    },
    { name: 'not pinned', ok: !target?.pinned, blocks: true, detail: target?.pinned ? `${to} is fenced` : `${to} is not fenced` },
  ]
}

/** Silence is no answer: a side that nobody could ask may well be the one that takes writes. */
function noPrimary(group: string, facts: Question['facts']): HoldfastError {
  const silent = Object.entries(facts).filter(([, { reachable, running, role }]) => !reachable || (running && role === 'down'))
  if (silent.length === 0) return notReady(group, 'no side takes writes', 'start a failover with mode unplanned')
  const told = silent.map(([name, { why }]) => `${name} does not answer${why === undefined ? '' : ` (${why})`}`)
  return notReady(
    group,
    `which side takes writes cannot be told: ${told.join('; ')}`,
    'look at its server and at the worker on its host; where it is gone, start a failover with mode unplanned',
  )
}

function notReady(group: string, why: string, next: string): HoldfastError {
  return new HoldfastError('NOT_READY', `${group}: ${why}`, { object: group, next })
}
