/**
 * The configuration under which a snapshot is restored to be compared: nobody publishes to the stream, nothing is fetched
 * from elsewhere, nothing goes by age, and no space is promised that this server may not have.
 */
import { type StreamConfig, without } from './answers.ts'

/** The key of the metadata in which a restore writes what it does. */
export const MARK = 'holdfast-restore'

/** What an update can give back: the stream in its true place, before anybody uses it. A mirror stays one, since none can be made later. */
export function quietConfig(config: StreamConfig, mark: string): StreamConfig {
  const off = ['allow_msg_ttl', 'allow_msg_schedules'].filter((field) => config[field] === true)
  return {
    ...without(config, ['sources', 'republish', 'subject_delete_marker_ttl']),
    ...Object.fromEntries(off.map((field) => [field, false])),
    max_age: 0,
    ...(!config.mirror && { subjects: [`_holdfast.${config.name}`] }),
    metadata: { ...config.metadata, [MARK]: mark },
  }
}

/** On a server of its own, which is one, and has no other's disks. */
export function scratchConfig(config: StreamConfig, mark: string): StreamConfig {
  const alone = without(config, ['mirror', 'mirror_direct', 'placement'])
  return { ...quietConfig(alone, mark), storage: 'file', num_replicas: 1, max_bytes: -1 }
}

/** Fields of the stream that its copy has otherwise. */
export function changedIn(config: StreamConfig, copy: StreamConfig): string[] {
  const fields = new Set([...Object.keys(config), ...Object.keys(copy)])
  return [...fields].filter((field) => field !== 'metadata' && JSON.stringify(config[field]) !== JSON.stringify(copy[field]))
}
