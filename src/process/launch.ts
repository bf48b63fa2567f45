/** Starts one program, in a process group of its own that dies with the worker. Everything else here builds on it. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type Command, describe } from './command.ts'
import { HoldfastError } from '../core/errors.ts'
import { programOf } from './find.ts'
import { groupAlive } from './group.ts'
import { type OsUser, userToBecome } from './user.ts'

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface Launched {
  command: Command
  child: ChildProcess
  /** Also the id of its process group. */
  pid: number
  /** How it ended; never rejects. */
  exited: Promise<Exit>
  /** True once it has ended and had left nobody in its group: the number may since belong to strangers. */
  allGone(): boolean
}

/**
 * `tied`: the kernel sends TERM to it when the thread that started it ends, even by SIGKILL. Without it a dump that
 * waits for a table lock would outlive its worker.
 */
export function launch(command: Command, stdio: StdioOptions, { tied = true } = {}): Launched {
  const user = userToBecome(command.user)
  const [program, ...args] = wrapped(command, user, tied)
  // A worker's folder may be closed to the other user; programs that look where they are complain.
  const cwd = command.cwd ?? (user ? '/' : undefined)
  if (cwd && !existsSync(cwd))
    throw new HoldfastError('PROCESS_FAILED', `${describe(command)}: its folder ${cwd} does not exist`, { object: cwd, retryable: false })
  const child = spawn(program, args, { cwd, env: environment(command, user), stdio, detached: true })
  // Where the kernel refuses to start it, the reason comes later, as an event.
  let gone = false
  const exited = new Promise<Exit>((done) => {
    child.once('exit', (code, signal) => {
      gone = child.pid === undefined || !groupAlive(child.pid)
      done({ code, signal })
    })
    child.once('error', () => done({ code: null, signal: null }))
  })
  if (child.pid === undefined) throw refused(command)
  return { command, child, pid: child.pid, exited, allGone: () => gone }
}

// After the change of user, else the kernel would forget the tie.
function wrapped(command: Command, user: OsUser | undefined, tied: boolean): [string, ...string[]] {
  const program = programOf(command)
  if (process.platform !== 'linux' || !(user || tied)) return [program, ...command.args]
  const become = user ? ['--reuid', String(user.uid), '--regid', String(user.gid), '--init-groups'] : []
  const tie = tied ? ['--pdeathsig', 'TERM'] : []
  return [programOf({ program: 'setpriv' }), ...become, ...tie, '--', program, ...command.args]
}

function environment(command: Command, user: OsUser | undefined): NodeJS.ProcessEnv {
  const ofUser = user ? { HOME: user.home, USER: user.name, LOGNAME: user.name } : {}
  return { ...process.env, ...ofUser, ...command.env }
}

function refused(command: Command): HoldfastError {
  return new HoldfastError(
    'PROCESS_FAILED',
    `${describe(command)} could not be started: the machine has no process or file handle left, or refuses the program`,
    { object: command.program },
  )
}
