/** Roles of a source, made in a scratch instance or on another server: what is there already stays as it is. */
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact } from '../../core/records.ts'
import { run } from '../../process/run.ts'
import type { ArtifactSource } from '../driver.ts'
import { pgEnvironment } from '../postgres-common/connect.ts'

/** A tablespace is a folder of the machine: a scratch instance on the same one would reach into the live one's. */
const TABLESPACE =
  /^(CREATE TABLESPACE|ALTER TABLESPACE|COMMENT ON TABLESPACE|SECURITY LABEL .*ON TABLESPACE|(GRANT|REVOKE) .* ON TABLESPACE) /

export interface GlobalsOptions {
  artifact: Artifact
  source: ArtifactSource
  connection: string
  binDir: string
  /** Roles that stay exactly as they are: on a live server the passwords and rights of today are the right ones. */
  keep: ReadonlySet<string>
  signal: AbortSignal
}

/** Runs the globals of the point. A role that exists is no error; every other error is. */
export async function restoreGlobals(options: GlobalsOptions): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of await options.source.read(options.artifact)) chunks.push(chunk as Buffer)
  const script = Buffer.concat(chunks)
    .toString('utf8')
    .split('\n')
    .filter((line) => !TABLESPACE.test(line) && !aboutKept(line, options.keep))
    .join('\n')
  const env = { ...pgEnvironment(options.connection), PGOPTIONS: '-c lc_messages=C -c default_transaction_read_only=off' }
  const { stderr } = await run(
    {
      program: join(options.binDir, 'psql'),
      args: ['-X', '-q', '-w', '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=0', '-f', '-'],
      env,
      stdin: script,
    },
    { signal: options.signal },
  )
  const errors = stderr.split('\n').filter((line) => /(ERROR|FATAL|PANIC): /.test(line))
  // 42710 duplicate_object, of CREATE ROLE alone.
  const unexpected = errors.filter((line) => !/ERROR: {2}42710: role ".*" already exists/.test(line))
  if (unexpected.length > 0) {
    throw new HoldfastError('PROCESS_FAILED', `the globals of the point could not be restored: ${unexpected.slice(0, 5).join('; ')}`, {
      object: options.artifact.key,
      retryable: false,
    })
  }
}

const ROLE = '("(?:[^"]|"")+"|[^\\s;"]+)'
const ABOUT = new RegExp(`^(?:CREATE ROLE|ALTER ROLE|COMMENT ON ROLE) ${ROLE}`)
const MEMBER = new RegExp(`^GRANT ${ROLE} TO ${ROLE}`)

/** Whether a statement changes only roles that are kept as they are. */
function aboutKept(line: string, keep: ReadonlySet<string>): boolean {
  const named = (ABOUT.exec(line) ?? MEMBER.exec(line))?.slice(1)
  return named?.every((role) => keep.has(role.startsWith('"') ? role.slice(1, -1).replaceAll('""', '"') : role)) ?? false
}
