/** References to secrets, resolved in the worker at the last moment, never kept in a configuration. */
import { readFile } from 'node:fs/promises'
import { HoldfastError } from '../core/errors.ts'
import { hideSecret } from '../observability/redaction.ts'

const REFERENCE = /\$\{([^}]*)\}/g
const KNOWN = /^(env|file):(.+)$/

/**
 * The value with every `${env:NAME}` and `${file:/path}` in it put in place. A value without a reference is taken as it
 * stands. Throws SECRET_MISSING naming the reference, never a value. What it gives is hidden from the logs from then on.
 */
export async function resolveSecret(ref: string): Promise<string> {
  const parts: string[] = []
  let end = 0
  for (const found of ref.matchAll(REFERENCE)) {
    parts.push(ref.slice(end, found.index), await lookUp(found[0], found[1] ?? ''))
    end = found.index + found[0].length
  }
  if (ref.slice(end).includes('$' + '{'))
    throw missing(ref.slice(ref.lastIndexOf('$')), 'the closing brace is missing', 'close the reference with }')
  const value = parts.join('') + ref.slice(end)
  hideSecret(value)
  return value
}

/** True for a value that stands in the configuration itself, for all who may read that; doctor warns of it. */
export function isLiteral(ref: string): boolean {
  return ref.match(REFERENCE) === null
}

/** SQL of assertions and commands of supervisors may hold ${…} of their own. */
export const isOwnText = (key: string): boolean => ['assertions', 'checks', 'supervisor', 'fence'].includes(key)

/** The value with other paths in its references to files. */
export const mapFileReferences = (ref: string, change: (path: string) => string): string =>
  ref.replace(REFERENCE, (whole: string, inner: string) => {
    const [, kind, path] = KNOWN.exec(inner) ?? []
    return kind === 'file' && path ? `\${file:${change(path)}}` : whole
  })

async function lookUp(reference: string, inner: string): Promise<string> {
  const [, kind, name] = KNOWN.exec(inner) ?? []
  if (!kind || !name) throw missing(reference, 'it is no reference', `write ${example('env')} or ${example('file')}`)
  const value = kind === 'env' ? process.env[name] : await contentOf(reference, name)
  if (value === undefined)
    throw missing(reference, 'there is no such environment variable', `set the environment variable ${name} for the worker`)
  if (value === '') throw missing(reference, 'it is empty', `give ${name} a value`)
  hideSecret(value)
  return value
}

async function contentOf(reference: string, path: string): Promise<string> {
  try {
    // Editors and `echo` end a file with a newline that is no part of the secret.
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    throw missing(
      reference,
      code === 'ENOENT' ? 'there is no such file' : `the file cannot be read (${code})`,
      `make ${path} readable for the user that the worker runs as`,
    )
  }
}

function missing(reference: string, why: string, next: string): HoldfastError {
  return new HoldfastError('SECRET_MISSING', `the secret ${reference} cannot be had: ${why}`, { object: reference, next })
}

const example = (kind: 'env' | 'file'): string => (kind === 'env' ? '$' + '{env:NAME}' : '$' + '{file:/path}')
