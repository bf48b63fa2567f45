/** JSON as Qdrant reads and writes it: ids and payloads have 64-bit integers, which JavaScript's numbers round. */

// Node 22 and later know both; the library's types do not yet.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown }

export function parseJson(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
      ? BigInt(context?.source ?? '')
      : value,
  )
}

export function printJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? rawJSON(String(part)) : part))
}
