/** What the project starts that is not Node: each program, and what brings it to a machine. */
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Debian package to the programs of it that are used here. */
const DEBIAN = {
  'postgresql-15': [
    'initdb',
    'postgres',
    'pg_ctl',
    'psql',
    'pg_dump',
    'pg_dumpall',
    'pg_restore',
    'pg_basebackup',
    'pg_rewind',
    'pg_controldata',
    'pg_checksums',
    'pg_waldump',
    'pg_amcheck',
    'pg_verifybackup',
    'pg_resetwal',
    'pg_isready',
    'pg_receivewal',
    'pgbench',
  ],
  pgbackrest: ['pgbackrest'],
  age: ['age', 'age-keygen'],
  zstd: ['zstd'],
  bind9: ['named', 'tsig-keygen', 'named-checkconf'],
  'bind9-dnsutils': ['nsupdate', 'dig'],
  'util-linux': ['setpriv', 'flock', 'unshare', 'nsenter', 'runuser'],
  openssl: ['openssl'],
} as const

/** Program to the Go module that `go install` builds it from. */
const GO = {
  temporal: 'github.com/temporalio/cli/cmd/temporal@v1.5.1',
  versitygw: 'github.com/versity/versitygw/cmd/versitygw@v1.8.0',
} as const

export interface Program {
  name: string
  /** Where it comes from: the Debian package, or the Go module with its version. */
  from: { debian: string } | { go: string }
  /** The command a person types to have it. */
  install: string
}

const debian: Program[] = Object.entries(DEBIAN).flatMap(([pkg, names]) =>
  names.map((name) => ({ name, from: { debian: pkg }, install: `apt-get install --no-install-recommends ${pkg}` })),
)
const go: Program[] = Object.entries(GO).map(([name, module]) => ({ name, from: { go: module }, install: `go install ${module}` }))

/** Every program of the toolbox. */
export const PROGRAMS: readonly Program[] = [...debian, ...go]

/** One version of all of PostgreSQL's programs, not the wrappers on PATH that choose one by cluster. */
export const POSTGRES_BIN = '/usr/lib/postgresql/15/bin'

/** Folder that keeps what is built or downloaded; outside the tree, shared by all clones of one user. */
export function cacheDir(): string {
  return process.env.HOLDFAST_CACHE || join(homedir(), '.cache', 'holdfast')
}

/** Programs of the cache. */
export function cacheBin(): string {
  return join(cacheDir(), 'bin')
}
