/**
 * The project's own supervisor, for machines without systemd: `node supervisor.ts <start|stop|mask|unmask|status> <dir>`
 * talks to the process that `run` left in the foreground of that folder. Imports little, because a fence waits for it.
 */
import { connect } from 'node:net'
import { join } from 'node:path'

export const VERBS = ['start', 'stop', 'mask', 'unmask', 'status'] as const
export type Verb = (typeof VERBS)[number]
export interface Answer {
  exitCode: number
  message: string
}

export const socketOf = (dir: string): string => join(dir, 'control.sock')

/** Asks the supervisor of a folder; resolves when what was asked is done or refused. */
export function ask(dir: string, verb: Verb): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(socketOf(dir), () => socket.write(`${verb}\n`))
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      text += chunk
    })
    socket.on('error', (error) => reject(new Error(`no supervisor answers in ${dir}: ${error.message}`)))
    socket.on('close', () =>
      text === '' ? reject(new Error(`the supervisor in ${dir} ended without an answer`)) : resolve(JSON.parse(text) as Answer),
    )
  })
}

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
