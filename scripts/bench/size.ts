/** `100MB`, `1GB`, `5GB` in bytes; undefined where it is none of these. */
export function bytesOf(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)\s*(MB|GB)$/i.exec(text)
  return found ? Math.round(Number(found[1]) * (found[2]?.toUpperCase() === 'GB' ? 1e9 : 1e6)) : undefined
}
