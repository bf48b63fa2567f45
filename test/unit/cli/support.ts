/** The program in this process, with its streams caught and nothing behind it. */
import { createProgram } from '../../../src/cli/program.ts'
import type { Streams } from '../../../src/cli/output.ts'

export interface Caught extends Streams {
  readonly stdout: string
  readonly stderr: string
}

export function catchStreams({ isTTY = false, columns = 80 } = {}): Caught {
  const [stdout, stderr]: [string[], string[]] = [[], []]
  return {
    out: { write: (text: unknown) => stdout.push(String(text)) > 0 },
    err: { write: (text: unknown) => stderr.push(String(text)) > 0, isTTY, columns },
    get stdout() {
      return stdout.join('')
    },
    get stderr() {
      return stderr.join('')
    },
  }
}

export async function holdfast(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const streams = catchStreams()
  const unused = async () => {
    throw new Error('started')
  }
  const openServices = () => {
    throw new Error('opened')
  }
  const code = await createProgram({ serve: unused, dev: unused, openServices }, streams).run(args)
  return { code, stdout: streams.stdout, stderr: streams.stderr }
}
