/** Reads holdfast.yaml. Every problem is told at once, each with its line, its key and what would be right. */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { type Document, LineCounter, parseDocument } from 'yaml'
import { HoldfastError } from '../core/errors.ts'
import { explain } from './explain.ts'
import { lineOf } from './lines.ts'
import { checkMeaning } from './meaning.ts'
import { strayPaths, withWholePaths } from './paths.ts'
import { type PlacedProblem, type Problem, pathText } from './problem.ts'
import { type Config, configSchema } from './schema.ts'

/** With whole paths. Throws CONFIG_INVALID with all problems, also in `details.problems`. */
export async function loadConfig(path: string): Promise<Config> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    throw new HoldfastError(
      'CONFIG_INVALID',
      `the configuration ${path} cannot be read: ${code === 'ENOENT' ? 'there is no such file' : code}`,
      {
        object: path,
        next: 'give its path with --config; holdfast init writes one',
        cause: error,
      },
    )
  }
  const { config, placed } = read(text, path)
  const folder = dirname(resolve(path))
  const stray = await strayPaths(config, folder)
  if (stray.length > 0) throw invalid(path, placed(stray))
  return withWholePaths(config, folder)
}

/** What every command reads where nothing else is said. */
export const DEFAULT_FILE = 'holdfast.yaml'

/** With its paths as they stand; `file` is for messages. No message shows a value that may be a secret. */
export const parseConfig = (text: string, file: string): Config => read(text, file).config

function read(text: string, file: string): { config: Config; placed(problems: Problem[]): PlacedProblem[] } {
  const lines = new LineCounter()
  // Its pretty errors quote the text, which may hold a secret.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  if (document.errors.length + document.warnings.length > 0) throw invalid(file, notYaml(document, lines, text))
  const value: unknown = document.toJS() ?? {}
  const { success, data, error } = configSchema.safeParse(value)
  const problems = [...(error?.issues ?? []).flatMap((issue) => explain(issue, value)), ...withoutMeaning(value)]
  const placed = (all: Problem[]) => all.map((problem) => ({ ...problem, line: lineOf(document, problem.path, lines) }))
  if (success && problems.length === 0) return { config: data, placed }
  throw invalid(file, placed(problems))
}

function withoutMeaning(value: unknown): Problem[] {
  const problems: Problem[] = []
  checkMeaning(value, (path, message) => problems.push({ path, message }))
  return problems
}

function notYaml(document: Document, lines: LineCounter, text: string): PlacedProblem[] {
  return [...document.errors, ...document.warnings].map(({ pos, message }) => {
    const { line } = lines.linePos(pos[0])
    const quoted = /[[{,][^'"]*\$\{/.test(text.split('\n')[line - 1] ?? '')
      ? '; a reference like $' + '{env:NAME} inside { } or [ ] needs quotes'
      : ''
    return { path: [], message: `${message}${quoted}`, line }
  })
}

function invalid(file: string, problems: PlacedProblem[]): HoldfastError {
  const sorted = [...problems].sort((a, b) => a.line - b.line)
  const text = sorted.map(({ line, path, message }) => `  line ${line}: ${path.length > 0 ? `${pathText(path)}: ` : ''}${message}`)
  const count = sorted.length === 1 ? 'one problem' : `${sorted.length} problems`
  return new HoldfastError('CONFIG_INVALID', `${file} has ${count}:\n${text.join('\n')}`, {
    object: file,
    next: `correct the named keys in ${file} and run holdfast doctor${file === DEFAULT_FILE ? '' : ` --config ${file}`}`,
    details: { problems: sorted.map(({ line, path, message }) => ({ line, path: pathText(path), message })) },
  })
}
