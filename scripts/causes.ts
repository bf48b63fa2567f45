/** Why something failed, in full. */

/** The message of an error and of what caused it: a failed workflow says why only in its cause. */
export function causesOf(error: unknown): string {
  const words: string[] = []
  for (let at = error; at instanceof Error; at = at.cause) words.push(at.message)
  return words.join(': ') || String(error)
}
