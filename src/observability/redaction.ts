/** The secrets that this process has resolved, so that no log shows one. */

const secrets = new Set<string>()
/** Shorter ones would blot out ordinary words, and are no secrets. */
const SHORTEST = 4

/** Registers a value, and in a connection string also its password. */
export function hideSecret(value: string): void {
  for (const word of [value, ...passwordsIn(value)]) {
    if (word.length < SHORTEST) continue
    secrets.add(word)
    // Inside JSON a value is written with escapes.
    secrets.add(JSON.stringify(word).slice(1, -1))
  }
}

/** The text with every registered value replaced. */
export function redact(text: string): string {
  let result = text
  // The longest first: one secret may contain another.
  for (const secret of [...secrets].sort((a, b) => b.length - a.length)) result = result.replaceAll(secret, '[hidden]')
  return result
}

function passwordsIn(connection: string): string[] {
  const words = /\bpassword\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))/.exec(connection)
  const url = /^\w+:\/\/[^:/@\s]*:([^@\s]*)@/.exec(connection)
  return [words?.[1]?.replace(/\\(.)/g, '$1'), words?.[2], url?.[1], url?.[1] === undefined ? undefined : decoded(url[1])].filter(
    (word) => word !== undefined,
  )
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
