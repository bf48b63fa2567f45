/** Writes docs/config.schema.json and docs/config.md from the schema. With --check it writes nothing and fails where they differ. */
import { readFileSync, writeFileSync } from 'node:fs'
import { configShape, type Shape } from '../src/config/shape.ts'

const DOCS = new URL('../docs/', import.meta.url)

/** File name to its wanted content. */
export function configDocs(): Record<string, string> {
  const schema = { title: 'holdfast.yaml', ...configShape() }
  return { 'config.schema.json': `${JSON.stringify(schema, null, 2)}\n`, 'config.md': page(schema) }
}

/** The files that are not what the schema gives. */
export function outdated(): string[] {
  return Object.entries(configDocs())
    .filter(([name, wanted]) => read(name) !== wanted)
    .map(([name]) => name)
}

function read(name: string): string | undefined {
  try {
    return readFileSync(new URL(name, DOCS), 'utf8')
  } catch {
    return undefined
  }
}

function page(schema: Shape): string {
  return `# holdfast.yaml

Written by \`node scripts/config-reference.ts\` from the schema that reads the file. Editors complete and check it by
\`# yaml-language-server: $schema=docs/config.schema.json\` in its first line. \`<name>\` stands for a name of your own,
\`[]\` for each entry of a list. A key without a default and without "optional" must be there. What every kind of a part
has stands once, in a table before those of the kinds.

Secrets are references, \`\${env:NAME}\` or \`\${file:/path}\`, resolved in the worker at the last moment; inside \`{ }\` or
\`[ ]\` they need quotes. Durations are a number and \`s\`, \`m\`, \`h\` or \`d\`. Calendars are written \`Sun 02:00\`,
\`Mon-Sat 02:00\`, \`Mon,Thu 22:30\`, \`daily 03:30\`, \`weekly\`, \`monthly 1 04:00\`, \`hourly\`, \`hourly :15\` or \`every 30m\`.

A relative path of a file or folder, in \`…File\`, \`…Dir\`, \`pgbackrestConfig\`, \`gpg.home\`, \`path\` of a repository and
\`\${file:…}\`, begins in the folder of \`holdfast.yaml\`, wherever a program is started: under systemd that would be \`/\`. One that
leads nowhere from there, and somewhere from where the program was started, is refused.

The name of a schedule says what it does: \`full\`, \`incremental\`, \`differential\`, \`snapshot\` and \`scheduled\` take a
point of that kind, \`logical\` one of the kind \`scheduled\`; \`verify\` proves the newest point to the depth \`full\`;
\`retention\` prunes; \`walSwitch\` ends a segment of the log.

${sections(rows(schema, '', true)).join('\n')}`
}

interface Row {
  path: string
  kind: string
  standing: string
  meaning: string
}

/** A table for each part of the file that is written more than once or is one of several kinds. */
function sections(all: Row[]): string[] {
  const tables = new Map<string, Map<string, string>>()
  for (const { path, kind, standing, meaning } of all) {
    const [, section = path, key = ''] = /^(\w+(?:\.<name>)?(?: \([^)]*\))?)\.?(.*)$/.exec(path) ?? []
    const table = tables.get(section) ?? new Map<string, string>()
    table.set(key, `| ${code(key)} | ${kind} | ${standing} | ${meaning} |`)
    tables.set(section, table)
  }
  return [...shared(tables)].map(
    ([section, table]) =>
      `## ${code(section)}\n\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n${[...table.values()].join('\n')}\n`,
  )
}

/** What stands in the table of every kind of a part, once: in a table of its own before them. */
function shared(tables: Map<string, Map<string, string>>): Map<string, Map<string, string>> {
  const found = new Map<string, Map<string, string>>()
  for (const [section, table] of tables) {
    const part = section.replace(/ \(.*/, '')
    const kinds = [...tables].filter(([other]) => other.startsWith(`${part} (`)).map(([, rows]) => rows)
    const inAll = (key: string, row: string) => part !== section && kinds.length > 1 && kinds.every((rows) => rows.get(key) === row)
    for (const ofAll of [true, false])
      for (const [key, row] of table) {
        const place = inAll(key, row) ? part : section
        if (ofAll === (place === part)) found.set(place, (found.get(place) ?? new Map<string, string>()).set(key, row))
      }
  }
  return found
}

/** A row for each value, and those of what is inside it. `group` is the nearest enclosing mapping that may be left out. */
function rows(shape: Shape, path: string, required: boolean, group?: string): Row[] {
  const variants = shape.oneOf ?? shape.anyOf
  if (variants?.every(fixed)) return variants.flatMap((variant) => rows(variant, path + fixed(variant), required, group))
  if (variants?.some(({ properties }) => properties)) return rows(merged(variants), path, required, group)
  if (variants) return [row(shape, path, required, group)]
  const own = path && !isGroup(shape) ? [row(shape, path, required, group)] : []
  const innerGroup = required || !path ? group : path.split('.').at(-1)
  const inside = Object.entries(shape.properties ?? {})
    .filter(([, { const: word }]) => word === undefined)
    .flatMap(([key, value]) => rows(value, path ? `${path}.${key}` : key, shape.required?.includes(key) ?? false, innerGroup))
  const named =
    typeof shape.additionalProperties === 'object' && !isPlain(shape.additionalProperties)
      ? rows(shape.additionalProperties, `${path}.<${shape.propertyNames?.enum?.join('|') ?? 'name'}>`, true)
      : []
  const items = shape.items && !isPlain(shape.items) ? rows(shape.items, `${path}[]`, true) : []
  return [...own, ...inside, ...named, ...items]
}

/** Shapes of which any may stand there, as one: what only some of them want is optional. */
function merged(variants: Shape[]): Shape {
  return {
    properties: Object.assign({}, ...variants.map(({ properties }) => properties)),
    required: variants[0]?.required?.filter((key) => variants.every(({ required }) => required?.includes(key))),
  }
}

/** The word that tells a variant from the others, as ` (type: s3)`. */
function fixed(variant: Shape): string {
  const [key, value] = Object.entries(variant.properties ?? {}).find(([, { const: word }]) => word !== undefined) ?? []
  return value ? ` (${key}: ${value.const})` : ''
}

// A mapping is told by its keys; one without keys of its own says something itself.
function isGroup(shape: Shape): boolean {
  return shape.properties !== undefined || (typeof shape.additionalProperties === 'object' && !isPlain(shape.additionalProperties))
}

function isPlain(shape: Shape): boolean {
  return !(shape.properties ?? shape.oneOf ?? shape.anyOf ?? shape.items ?? (typeof shape.additionalProperties === 'object' || undefined))
}

function row(shape: Shape, path: string, required: boolean, group: string | undefined): Row {
  const needed = required ? (group ? `needed in ${code(group)}` : '') : 'optional'
  const standing = shape.default === undefined ? needed : code(JSON.stringify(shape.default))
  return { path, kind: kind(shape), standing, meaning: escaped(shape.description ?? '') }
}

function kind(shape: Shape): string {
  const variants = shape.oneOf ?? shape.anyOf
  if (variants) return variants.map(kind).join(' or ')
  if (shape.enum) return shape.enum.map((word) => code(String(word))).join(', ')
  if (shape.const !== undefined) return code(String(shape.const))
  if (shape.items) return isPlain(shape.items) ? `list of ${kind(shape.items)}` : 'list'
  if (typeof shape.additionalProperties === 'object') return `name to ${kind(shape.additionalProperties)}`
  if (shape.pattern?.endsWith('(s|m|h|d)$')) return 'duration'
  const range = [shape.minimum, shape.maximum].filter((end) => end !== undefined && Math.abs(end) < Number.MAX_SAFE_INTEGER)
  const words: Record<string, string> = {
    string: shape.format === 'uri' ? 'URL' : 'text',
    integer: 'whole number',
    boolean: '`true` or `false`',
  }
  return (words[shape.type ?? ''] ?? shape.type ?? 'any') + (range.length === 2 ? ` ${range.join(' to ')}` : '')
}

const escaped = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ')
const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``

if (process.argv[1] && import.meta.url === new URL(`file://${process.argv[1]}`).href) {
  if (process.argv.includes('--check')) {
    if (outdated().length > 0) {
      process.stderr.write(`out of date: ${outdated().join(', ')}; run: node scripts/config-reference.ts\n`)
      process.exitCode = 1
    }
  } else {
    for (const [name, content] of Object.entries(configDocs())) writeFileSync(new URL(name, DOCS), content)
  }
}
