/** The parts of a recovery point, by name and role, and what the manifest says of each bundle. Read back as they were written. */
import { HoldfastError } from '../../core/errors.ts'
import type { Inventory, Manifest } from '../../core/records.ts'
import { digestOf } from '../../catalog/canonical.ts'

export const PARTS = {
  namespace: { part: 'namespace.json', role: 'namespace', required: true },
  attributes: { part: 'search-attributes.json', role: 'search-attributes', required: true },
  schedules: { part: 'schedules.ndjson', role: 'schedules', required: true },
} as const

/** `recent` are the ones that have ended lately: the next incremental takes them again, since its list may hold more of them. */
export const GROUPS = ['open', 'closed', 'recent'] as const
export type Group = (typeof GROUPS)[number]

export interface BundleRecord {
  group: Group
  histories: number
  events: number
  /** Status to number of runs. */
  statuses: Record<string, number>
  /** BLAKE3 of the bundle's index, which has one of each history. */
  index: string
}

/** What the manifest's consistency says beside its time. */
export interface Extent {
  /** Runs that ended before it are in the bundles of the group `closed`. */
  through?: string
  /** By the name of its part. */
  bundles: Record<string, BundleRecord>
}

/** A line of a bundle's index; histories lie in the bundle in the same order. */
export interface IndexLine {
  workflowId: string
  runId: string
  type: string
  taskQueue: string
  /** From its last event. */
  status: string
  start?: string
  close?: string
  events: number
  bytes: number
  blake3: string
}

export const ROLES = { bundle: 'histories', index: 'histories-index' } as const
export const bundlePart = (group: Group, number: number): string => `${group}/${String(number).padStart(6, '0')}.histories`
export const indexPart = (bundle: string): string => bundle.replace(/\.histories$/, '.index.ndjson')

export function extentOf(manifest: Manifest): Extent {
  const { bundles, through } = manifest.consistency as Partial<Extent>
  const object = `${manifest.source}/${manifest.id}`
  if (!bundles) throw new HoldfastError('INTEGRITY', `the manifest of ${object} does not name its bundles`, { object })
  return { bundles, ...(through !== undefined && { through }) }
}

/** Of all bundles of some groups together. */
export function totalOf(bundles: Extent['bundles'], groups: readonly Group[]): Inventory[string] {
  const parts = Object.keys(bundles).sort()
  const records = parts.flatMap((part) => bundles[part] ?? []).filter(({ group }) => groups.includes(group))
  const total: Record<string, number> = { histories: 0, events: 0 }
  const add = (name: string, count: number) => {
    total[name] = (total[name] ?? 0) + count
  }
  for (const { histories, events, statuses } of records) {
    add('histories', histories)
    add('events', events)
    for (const [status, count] of Object.entries(statuses)) add(status, count)
  }
  return { ...total, digest: digestOf(Buffer.from(records.map(({ index }) => index).join('\n'))) }
}
