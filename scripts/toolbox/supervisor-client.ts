/** What a supervisor and those who ask it agree on. Imports little, because a fence waits for it. */
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
