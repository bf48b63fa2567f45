/**
 * Writes docs/errors.md from the registry in src/core/errors.ts; a test compares the two.
 *
 *   node scripts/errors-reference.ts
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ERRORS, EXIT, type ErrorEntry } from '../src/core/errors.ts'

/** The page as it should be. */
export function errorsPage(): string {
  const codes = Object.entries<ErrorEntry>(ERRORS).sort(([a], [b]) => (a < b ? -1 : 1))
  const rows = codes.map(([code, entry]) => `| \`${code}\` | ${entry.retryable ? 'yes' : 'no'} | ${entry.exitCode} | ${cell(entry.next)} |`)
  const exits = Object.entries(EXIT).map(([name, code]) => `| ${code} | ${name} |`)
  return `# Errors

Generated from \`src/core/errors.ts\` by \`node scripts/errors-reference.ts\`.

Every error has a code, the object it is about, and what to do next. A code never changes its meaning and is never
removed. "Retried" says whether Temporal tries the activity again by itself; a place that knows better may say otherwise.

| code | retried | exit code | what to do next |
| --- | --- | --- | --- |
${rows.join('\n')}

## Exit codes of the command line

| exit code | meaning |
| --- | --- |
${exits.join('\n')}
`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

if (import.meta.main) {
  const docs = join(import.meta.dirname, '..', 'docs')
  mkdirSync(docs, { recursive: true })
  writeFileSync(join(docs, 'errors.md'), errorsPage())
}
