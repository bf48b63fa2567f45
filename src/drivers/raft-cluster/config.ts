/** What a source of this driver is configured with: the nodes of a cluster, and how its admin API and commands are called. */
import { z } from 'zod'
import { assertionName, everySource, schedulesOf, verifyWith } from '../../config/schema/every-source.ts'
import { command, duration, name } from '../../config/schema/values.ts'

const folder = z.string().regex(/^\/.*[^/]$/, 'a full path, like /var/lib/neumann')
const metric = (what: string, named: string) => z.string().default(named).describe(what)
const calls = (what: string, ...words: string[]) => command.default(words).describe(what)
const AT = ['{admin}', '--addr', '{addr}']
const IN = ['{admin}', '--data-dir', '{dataDir}']

const node = z.strictObject({
  url: z
    .string()
    .regex(/^https?:\/\/[^/\s]+$/, 'a URL without a path, like http://10.0.0.1:9090')
    .describe('its admin API'),
  dataDir: folder.describe('holds raft/ and store/'),
  configDir: folder.default('/etc/neumann').describe('its configuration, which every point has as well'),
  shell: command
    .default(['sh', '-c'])
    .describe('runs the line of shell that follows where the files of the node are: [ssh, backup@node1] where that is another machine'),
  asideDir: folder
    .optional()
    .describe('on the file system of dataDir: for what is copied or moved aside. The folder above dataDir by default'),
  service: z
    .strictObject({
      stop: command.describe('ends the node, and does nothing where it does not run'),
      start: command.describe('starts it, and does nothing where it runs'),
    })
    .optional()
    .describe('run on the worker, like [ssh, node1, systemctl, stop, neumann]; a restore over the cluster needs it of every node'),
})
export type NodeConfig = z.infer<typeof node>

/** Of Neumann's segments. */
export const NAMES = '^(?<first>\\d+)-(?<last>\\d+)\\.wal$'

const names = z
  .string()
  .default(NAMES)
  .refine(
    (text) => ['(?<first>', '(?<last>'].every((group) => text.includes(group)) && isExpression(text),
    'an expression with the groups first and last',
  )
  .describe('what names of segments look like: first and last are the entries in it')

function isExpression(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp
  } catch {
    return false
  }
}

const wal = z.union([
  z.strictObject({
    archive: name.describe('of archives: where the nodes ship their log to with holdfast wal-push'),
    earlier: z.array(name).default([]).describe('of archives: those of before the cluster was restored, of which retention goes on'),
    names,
  }),
  z.strictObject({ dir: folder.describe('on the worker: where archive_command of the nodes copies segments to'), names }),
])

const query = z.strictObject({
  name: assertionName,
  query: z.string().describe('asked of the node that was restored'),
  equals: z.string().describe('all that the command prints, spaces around it left out'),
})

export const raftClusterSource = z.strictObject({
  driver: z.literal('raft-cluster'),
  ...everySource,
  nodes: z
    .record(name, node)
    .refine((nodes) => Object.keys(nodes).length > 0, 'name at least one node')
    .describe('every node of the cluster; a restore fills the first one, the others follow it'),
  folders: z
    .strictObject({
      raft: z.string().default('raft'),
      snapshots: z.string().default('raft/snapshots').describe('inside raft'),
      store: z.string().default('store'),
    })
    .prefault({})
    .describe('below dataDir'),
  wal: wal.optional().describe('the archived log, for points in time; a cluster that was restored needs another one'),
  schedules: schedulesOf('snapshot', 'full'),
  verify: verifyWith(query),
  endpoints: z
    .strictObject({
      snapshot: z
        .string()
        .regex(/^(POST|PUT|GET) \//, 'a method and a path, like POST /admin/snapshot')
        .default('POST /admin/snapshot'),
      metrics: z.string().startsWith('/').default('/metrics').describe('in the text format of Prometheus'),
    })
    .prefault({}),
  metrics: z
    .strictObject({
      isLeader: metric('1 on the leader', 'neumann_raft_is_leader'),
      appliedIndex: metric('the last entry that is in the store', 'neumann_raft_applied_index'),
      totalEntries: metric('grows with every entry that has data', 'neumann_total_entries'),
      snapshotIndex: metric('the last entry that is in the newest snapshot', 'neumann_snapshot_last_index'),
      snapshotInProgress: metric('1 while a snapshot is taken', 'neumann_snapshot_in_progress'),
      snapshotFailures: metric('grows with every snapshot that fails', 'neumann_snapshot_failures_total'),
      writesPaused: metric('1 while writes are refused', 'neumann_writes_paused'),
    })
    .prefault({}),
  programs: z.strictObject({ admin: z.string().default('neumann-admin') }).prefault({}),
  commands: z
    .strictObject({
      info: calls('prints the cluster as JSON: cluster, members with id and addr', ...AT, 'cluster-info'),
      status: calls('ends with 0 where the cluster is healthy', ...AT, 'cluster-status'),
      pause: calls('refuses writes from now on', ...AT, 'pause-writes'),
      resume: calls('takes writes again', ...AT, 'resume-writes'),
      stats: calls('prints total_entries and a number in a line', ...AT, 'stats'),
      query: calls('prints the answer to {sql}', ...AT, 'query', '{sql}'),
      bootstrap: calls('makes a cluster of what a node holds whose addresses are new', ...AT, 'init-cluster', '--bootstrap'),
      verifyChecksums: calls('ends with 0 where the files of a folder are sound', ...IN, 'verify-checksums'),
      walReplay: calls(
        'replays to {until} and no further, on a folder whose node does not run',
        ...IN,
        ...['wal-replay', '--wal-dir', '{walDir}', '--until', '{until}'],
      ),
    })
    .prefault({})
    .describe(
      'each as a program with its arguments; {addr} is host:port of a node. Those with {dataDir} run where that folder is, the others on the worker',
    ),
  every: z
    .strictObject({ entries: z.number().int().positive().describe('a point of kind snapshot once so many came since the newest') })
    .optional()
    .describe('beside schedules; looked at every minute'),
  keepSnapshots: duration
    .optional()
    .describe('retention removes older snapshots from the nodes whose content is in a good recovery point; without it none'),
  owner: z
    .string()
    .regex(/^[\w.-]+(:[\w.-]+)?$/, 'a user, or user:group, like neumann:neumann')
    .optional()
    .describe('gets the files that a restore puts on a node; what they had before by default'),
  provision: command
    .optional()
    .describe(
      'makes the machine of {node} with {addr} and {dataDir}, where a restore over the cluster finds none: run on the worker, for each',
    ),
  snapshotTimeout: duration.default('30m').describe('how long a snapshot may take, leaders that change meanwhile included'),
  startTimeout: duration.default('10m').describe('how long nodes may take after a restore until all of them hold the same'),
  scratch: z
    .strictObject({
      start: command.describe('starts one node on {dataDir}, with its configuration in {configDir}; it stays in the foreground'),
      config: z
        .record(z.string().regex(/^[\w.-]+$/), z.string())
        .default({})
        .describe(
          'files of its configuration, as a cluster of this node alone, without an archive; {addr}, {host}, {port}, {dataDir} are filled in',
        ),
      bootstrap: z.boolean().default(true).describe('whether it needs commands.bootstrap first'),
    })
    .optional()
    .describe('a single node on a port of its own, for proofs; without it restored files are checked and no node is started'),
})
export type RaftClusterConfig = z.infer<typeof raftClusterSource>
