/** What a supervisor's commands do, for a server of the toolbox: stop and start by pg_ctl, either of them twice without harm. */
import { OS_USER, POSTGRES_BIN } from '../../scripts/toolbox/postgres.ts'
import { run } from '../../src/process/run.ts'

export interface PgService {
  stop: string[]
  start: string[]
}

/** `options` are given to the server itself, like a new port. */
export function pgService(dataDir: string, options = ''): PgService {
  const as = OS_USER === undefined ? '' : `runuser -u ${OS_USER} -- `
  const ctl = `cd / && ${as}${POSTGRES_BIN}/pg_ctl -D "$0"`
  return {
    stop: ['sh', '-c', `[ -e "$0" ] || exit 0; ${ctl} status > /dev/null || exit 0; ${ctl} -m fast -w stop`, dataDir],
    start: [
      'sh',
      '-c',
      `${ctl} status > /dev/null && exit 0; ${ctl} -l "$(dirname "$0")/socket/server.log" -o "$1" -w -t 60 start`,
      dataDir,
      options,
    ],
  }
}

export async function callService([program = '', ...args]: readonly string[]): Promise<void> {
  await run({ program, args, cwd: '/' })
}
