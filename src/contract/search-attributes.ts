/** Typed search attributes, so that the stock UI filters runs by what operators ask for. They are not encrypted: no secrets here. */
import { defineSearchAttributeKey } from '@temporalio/common'

export const SEARCH_ATTRIBUTES = {
  source: defineSearchAttributeKey('HoldfastSource', 'KEYWORD'),
  group: defineSearchAttributeKey('HoldfastGroup', 'KEYWORD'),
  kind: defineSearchAttributeKey('HoldfastKind', 'KEYWORD'),
  phase: defineSearchAttributeKey('HoldfastPhase', 'KEYWORD'),
  outcome: defineSearchAttributeKey('HoldfastOutcome', 'KEYWORD'),
  point: defineSearchAttributeKey('HoldfastPoint', 'KEYWORD'),
} as const

/** `success` is never said of a run that lost an optional part: that is `degraded`. */
export type Outcome = 'success' | 'degraded' | 'failed' | 'aborted' | 'awaiting-operator' | 'running'
