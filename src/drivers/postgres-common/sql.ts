/** A name of SQL, always quoted. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
