/** What can be told of a command line before any library is loaded. */

/** The command among the words: the first that is neither an option nor the value of one. */
export function commandOf(args: readonly string[]): string | undefined {
  return args.find((word, at) => !word.startsWith('-') && !['-c', '--config'].includes(args[at - 1] ?? ''))
}

/** Commands that an engine calls for each segment of its log, and waits for. */
export const WAL_COMMANDS: readonly string[] = ['wal-push', 'wal-fetch', 'wal-list', 'wal-prune']

/**
 * PostgreSQL takes a restore_command that ends with 1 to 125 for one that says that there is no such file, and believes
 * that the log ends there. Trouble must not look like that: the usual exit code is added to this one.
 */
export function troubleFrom(command: string | undefined): number {
  return command === 'wal-fetch' ? 200 : 0
}
