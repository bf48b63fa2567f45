/**
 * Writes docs/cli.md from the program itself; a test compares the two.
 *
 *   node scripts/cli-reference.ts
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createProgram, EXIT_MEANINGS } from '../src/cli/program.ts'
import { EXIT } from '../src/core/errors.ts'

type Command = ReturnType<typeof createProgram>['command']

/** The page as it should be. */
export function cliPage(): string {
  const unused = async () => {}
  const { command: program } = createProgram({
    serve: unused,
    dev: unused,
    openServices: () => {
      throw new Error('the page opens nothing')
    },
  })
  const families = [...new Set(program.commands.map((command) => command.helpGroup()))]
  const exits = Object.entries(EXIT_MEANINGS).map(([name, meaning]) => `| ${EXIT[name as keyof typeof EXIT]} | ${meaning} |`)
  return `# holdfast

Written by \`node scripts/cli-reference.ts\` from the program itself. \`holdfast <command> --help\` says the same.

Everything that acts is a Temporal workflow: the command starts it and follows it. **Ctrl-C ends the following, never the
run**; what stops the run is printed then. The same workflows can be started with \`temporal workflow start\` and from the
Temporal UI. In a terminal progress is one live line with finished steps above it; in a pipe it is plain lines on stderr,
each once. With \`--json\` stdout is exactly one JSON document; an error is one document on stderr:
\`{"error":{"code","message","next","object","exitCode"}}\`. Error codes are in [errors.md](errors.md).

## Exit codes

| exit code | meaning |
| --- | --- |
${exits.join('\n')}

## Options of every command

${optionsTable(program)}
${families.flatMap((family) => [`## ${family.replace(/:$/, '')}\n`, ...program.commands.filter((one) => one.helpGroup() === family).map(section)]).join('\n')}`
}

function section(command: Command): string {
  return `### holdfast ${command.name()}

\`holdfast ${command.name()} ${command.usage()}\`

${escaped(command.description())}
${command.options.length > 0 ? `\n${optionsTable(command)}` : ''}`
}

function optionsTable(command: Command): string {
  const rows = command.options.map(({ flags, description, argChoices, defaultValue, defaultValueDescription, mandatory }) => {
    const standing = mandatory ? 'needed' : (defaultValueDescription ?? (defaultValue ? `\`${defaultValue}\`` : ''))
    return `| ${code(flags)} | ${standing} | ${escaped([description, argChoices?.join(', ')].filter(Boolean).join(': '))} |\n`
  })
  return `| option | default | meaning |\n| --- | --- | --- |\n${rows.join('')}`
}

const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``
const escaped = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')

if (import.meta.main) writeFileSync(join(import.meta.dirname, '..', 'docs', 'cli.md'), cliPage())
