/** A program to start, as data: built first, shown in logs, run by run.ts, chain.ts or daemon.ts. */
export interface Command {
  program: string
  /** Never holds a secret: arguments can be read by every user of the machine. */
  args: readonly string[]
  /** Added to the worker's own environment; may hold secrets. */
  env?: Readonly<Record<string, string>>
  cwd?: string
  /** Operating system user to run as, when the worker is root. Ignored otherwise. */
  user?: string | undefined
  /** Given on standard input, then closed. */
  stdin?: string | Buffer
}

/** The command as one line for messages; environment and input are left out. */
export function describe(command: Command): string {
  return [command.program, ...command.args].map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(' ')
}
