/**
 * The project's own supervisor, for machines without systemd: `node supervisor.ts <start|stop|mask|unmask|status> <dir>`
 * talks to the process that `run` left in the foreground of that folder. Imports little, because a fence waits for it.
 */
import { ask, VERBS, type Verb } from './supervisor-client.ts'

async function main([verb, dir]: string[]): Promise<number> {
  if (!dir || !(verb === 'run' || VERBS.includes(verb as Verb))) {
    process.stderr.write(`usage: supervisor.ts <run|${VERBS.join('|')}> <dir>\n`)
    return 2
  }
  if (verb === 'run') return (await import('./keep-up.ts')).keepUp(dir)
  const answer = await ask(dir, verb as Verb).catch((error: Error) => ({ exitCode: 3, message: error.message }))
  const stream = answer.exitCode === 0 ? process.stdout : process.stderr
  stream.write(`${answer.message}\n`)
  return answer.exitCode
}

// Not awaited at the top: keep-up.ts imports this module while main runs.
if (import.meta.main)
  void main(process.argv.slice(2)).then((code) => {
    process.exitCode = code
  })
