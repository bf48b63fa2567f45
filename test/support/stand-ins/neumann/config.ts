/** A node's etc/config.toml. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'smol-toml'

export interface Member {
  id: number
  addr: string
}
export interface Config {
  node: { id: number }
  /** Every node of the cluster, this one among them. */
  cluster: { members: Member[] }
  raft: { heartbeat_ms: number; election_ms: number; snapshot_entries: number; snapshot_ms: number }
  wal: {
    /** Run for each closed segment until it exits 0: %p is its path, %f its name. Empty: segments are not archived. */
    archive_command: string
    /** Seconds after which a segment with entries is closed, however small. */
    archive_timeout: number
    segment_bytes: number
  }
}

const DEFAULTS = {
  raft: { heartbeat_ms: 100, election_ms: 1000, snapshot_entries: 10_000, snapshot_ms: 0 },
  wal: { archive_command: '', archive_timeout: 60, segment_bytes: 1_048_576 },
}

export const configFile = (dir: string): string => join(dir, 'etc', 'config.toml')

export function readConfig(dir: string): Config {
  const given = parse(readFileSync(configFile(dir), 'utf8')) as unknown as Config
  return { ...given, raft: { ...DEFAULTS.raft, ...given.raft }, wal: { ...DEFAULTS.wal, ...given.wal } }
}

export const printConfig = (config: Pick<Config, 'node' | 'cluster'> & { raft?: object; wal?: object }): string => stringify(config)

export function addrOf(members: readonly Member[], id: number | undefined): string | undefined {
  return members.find((member) => member.id === id)?.addr
}
