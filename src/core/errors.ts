/**
 * The one registry of error codes. A code is public: operators search for it, scripts match on it, the documentation
 * lists exactly these (a test compares). Codes are only ever added.
 */

export interface ErrorEntry {
  /** True where the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean
  /** Exit code of the command line that ends on this error. */
  readonly exitCode: number
  /** What the operator does next, when the place that threw had nothing better to say. */
  readonly next: string
}

/** Exit codes of the command line; listed in its help. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  degraded: 3,
  refused: 4,
  busy: 5,
  notFound: 6,
  integrity: 7,
  unreachable: 8,
  cancelled: 130,
} as const

const entry = (retryable: boolean, exitCode: number, next: string): ErrorEntry => ({ retryable, exitCode, next })

export const ERRORS = {
  CONFIG_INVALID: entry(false, EXIT.usage, 'correct the named keys in holdfast.yaml and run holdfast doctor'),
  INPUT_INVALID: entry(false, EXIT.usage, 'correct what the message names'),
  SECRET_MISSING: entry(false, EXIT.usage, 'make the environment variable or file available to the worker'),
  NOT_FOUND: entry(false, EXIT.notFound, 'name what holdfast.yaml has; holdfast list shows the recovery points'),
  TOOL_MISSING: entry(false, EXIT.failed, 'install the named program on the worker'),
  PROCESS_FAILED: entry(true, EXIT.failed, 'read the program output in the error'),
  PROCESS_TIMEOUT: entry(true, EXIT.failed, 'look for what the program waited for'),
  CANCELLED: entry(false, EXIT.cancelled, 'start it again when it may run'),
  STORE_UNREACHABLE: entry(true, EXIT.unreachable, 'check that the repository can be reached from the worker'),
  STORE_DENIED: entry(false, EXIT.refused, 'give the worker permission to read and write the repository'),
  STORE_CONFLICT: entry(false, EXIT.refused, 'an object with other content stands at this key; look at it before anything is deleted'),
  STORE_UNSUPPORTED: entry(false, EXIT.failed, 'use a store that supports this; run holdfast doctor'),
  OBJECT_LOCKED: entry(false, EXIT.refused, 'wait until its retention ends'),
  INTEGRITY: entry(false, EXIT.integrity, 'do not restore from it; verify the other recovery points'),
  SIGNATURE_INVALID: entry(false, EXIT.integrity, 'treat the record as planted; compare with another copy of the repository'),
  KEY_MISSING: entry(false, EXIT.refused, 'provide the age identity of one of the recipients named in the manifest'),
  KEY_WRONG: entry(false, EXIT.refused, 'provide the age identity of one of the recipients named in the manifest'),
  SPACE_SHORT: entry(false, EXIT.failed, 'free the named space or choose another folder'),
  REPOSITORY_FULL: entry(false, EXIT.refused, 'free room by keeping less, or raise the cap of the repository where its store has room'),
  SOURCE_UNREACHABLE: entry(true, EXIT.unreachable, 'check the connection of the source'),
  SOURCE_LOCKED: entry(
    true,
    EXIT.busy,
    "end or await the holder: select pid, query from pg_stat_activity join pg_locks using (pid) where granted and mode like '%Exclusive%'",
  ),
  SOURCE_UNFIT: entry(false, EXIT.failed, 'change what the check names on the source'),
  VERSION_UNFIT: entry(false, EXIT.failed, 'install client programs that are not older than the server'),
  BACKUP_IMPLAUSIBLE: entry(
    false,
    EXIT.integrity,
    'compare with the previous recovery point; start again with the reason in description if it is right',
  ),
  VERIFY_FAILED: entry(false, EXIT.integrity, 'read the failed assertions in the proof; take a new backup'),
  ARCHIVE_UNHEALTHY: entry(false, EXIT.failed, 'repair archive_command; run holdfast doctor'),
  TARGET_OUT_OF_RANGE: entry(false, EXIT.refused, 'choose a target inside the recoverable window; run holdfast status --window'),
  TARGET_NOT_REACHED: entry(false, EXIT.integrity, 'choose an earlier target or "latest"'),
  TARGET_AMBIGUOUS: entry(false, EXIT.usage, 'name the timeline'),
  CONFIRM_MISMATCH: entry(false, EXIT.refused, 'repeat with confirm set to the fingerprint shown'),
  SET_INCOMPLETE: entry(
    false,
    EXIT.failed,
    'of a backup: repair the named member and take the set again; of a recovery: mend that member and restore it alone',
  ),
  WINDOW_CLOSED: entry(false, EXIT.failed, 'widen its window, or take it by hand: holdfast backup'),
  POINT_ARCHIVED: entry(
    false,
    EXIT.refused,
    'ask for it with holdfast verify --thaw or holdfast restore, which wait until it can be read, or name a point or a copy that is not archived',
  ),
  POINT_PROTECTED: entry(false, EXIT.refused, 'release the hold, or delete what depends on it first'),
  BUSY: entry(false, EXIT.busy, 'wait for the holder named, or cancel it'),
  PREEMPTED: entry(false, EXIT.busy, 'start it again when the failover has ended'),
  APPROVAL_REFUSED: entry(false, EXIT.refused, 'another person approves the plan as it is shown now'),
  REJECTED: entry(false, EXIT.refused, 'an operator rejected the plan; read the reason'),
  ABORTED: entry(false, EXIT.refused, 'an operator aborted the run; read the reason'),
  PAST_NO_RETURN: entry(false, EXIT.refused, 'the promotion may have happened: go forward; fail back afterwards'),
  NOT_READY: entry(false, EXIT.refused, 'repair what the readiness report names; run holdfast status'),
  LAG_TOO_LARGE: entry(false, EXIT.refused, 'wait for the standby, or accept the loss: holdfast failover --accept-loss'),
  FENCE_UNPROVEN: entry(false, EXIT.refused, 'fence the host by hand and attest it, or restore access to it'),
  EPOCH_STALE: entry(false, EXIT.refused, 'a newer run owns this pair; this one may not go on'),
  STANDBY_UNHEALTHY: entry(false, EXIT.failed, 'repair or re-clone the standby'),
  TRAFFIC_UNCONFIRMED: entry(true, EXIT.failed, 'look at the record on the authoritative servers'),
  TRAFFIC_CONFLICT: entry(false, EXIT.refused, 'somebody else changed the record; look at it, then set it by hand or try again'),
  TRAFFIC_DENIED: entry(false, EXIT.refused, 'give the worker the key or the permission to change the record'),
  CHECK_FAILED: entry(true, EXIT.failed, 'look at the named check'),
  REWIND_FAILED: entry(false, EXIT.failed, 'the run goes on with a re-clone'),
  MIGRATION_FAILED: entry(false, EXIT.failed, 'read what the migration said, and whether the source was restored'),
  WORKER_UNREACHABLE: entry(
    true,
    EXIT.unreachable,
    'start the worker on the host of what the message names: role host:<name>, as holdfast.yaml has it',
  ),
  TEMPORAL_UNREACHABLE: entry(true, EXIT.unreachable, 'check the Temporal address'),
  UNEXPECTED: entry(true, EXIT.failed, 'nobody foresaw it: look at the run in the Temporal UI and at the log of its worker, and report it'),
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

export interface ErrorOptions {
  /** The thing it is about: a key, a source, a path. */
  object?: string
  /** The next thing to do or the command to type; overrides the registry's. */
  next?: string
  details?: Record<string, unknown>
  cause?: unknown
  /** Overrides the registry for this occurrence: true where the caller knows that a retry may help. */
  retryable?: boolean
}

/** The error everything in Holdfast throws on purpose: code, object, next step. Drivers know no other. */
export class HoldfastError extends Error {
  readonly code: ErrorCode
  readonly object: string | undefined
  readonly next: string
  readonly details: Record<string, unknown>
  readonly retryable: boolean

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'HoldfastError'
    this.code = code
    this.object = options.object
    this.next = options.next ?? ERRORS[code].next
    this.details = options.details ?? {}
    this.retryable = options.retryable ?? ERRORS[code].retryable
  }
}

/** The message of anything thrown, on one line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The message of a failure of Temporal, whose UI shows nothing else of it. */
export const withNext = (message: string, next: string): string => `${message}. Next: ${next}`

/** The same without its own next step; those of others that it tells of stay. */
export function withoutNext(message: string, next: string | undefined): string {
  const end = withNext('', next ?? '')
  return next !== undefined && message.endsWith(end) ? message.slice(0, -end.length) : message
}

/** Whether what stands there is not what was written there; all else is trouble of the store, or of who asks. */
export const isUnsound = (error: unknown): error is HoldfastError =>
  error instanceof HoldfastError && (error.code === 'SIGNATURE_INVALID' || error.code === 'INTEGRITY')
