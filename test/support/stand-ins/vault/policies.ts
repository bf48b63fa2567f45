/** Policies as far as a backup meets them: capabilities of paths, a star at the end, and sudo where Vault asks for it. */

/** By path: what is allowed there. */
export type Policy = Record<string, string[]>

const SUDO = ['sys/storage/raft/snapshot-force', 'sys/seal']
const BY_METHOD: Record<string, string[]> = {
  GET: ['read'],
  LIST: ['list'],
  POST: ['create', 'update'],
  PUT: ['create', 'update'],
  DELETE: ['delete'],
}
/** What every token may. */
const DEFAULT: Policy = { 'auth/token/lookup-self': ['read'], 'sys/capabilities-self': ['update'] }

/** HCL as people write it: `path "sys/mounts" { capabilities = ["read"] }`. */
export function parsePolicy(text: string): Policy {
  const blocks = text.matchAll(/path\s+"([^"]+)"\s*\{\s*capabilities\s*=\s*\[([^\]]*)\]\s*\}/g)
  return Object.fromEntries(
    [...blocks].map(([, path = '', list = '']) => [path, [...list.matchAll(/"(\w+)"/g)].map(([, one = '']) => one)]),
  )
}

export function capabilitiesOf(policies: Record<string, Policy>, names: readonly string[], path: string): string[] {
  if (names.includes('root')) return ['root']
  const rules = [DEFAULT, ...names.map((name) => policies[name] ?? {})].flatMap((policy) => Object.entries(policy))
  const fits = (pattern: string) => (pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : pattern === path)
  const found = [...new Set(rules.filter(([pattern]) => fits(pattern)).flatMap(([, list]) => list))].sort()
  return found.length > 0 ? found : ['deny']
}

export function allows(capabilities: readonly string[], method: string, path: string): boolean {
  if (capabilities.includes('root')) return true
  if (SUDO.includes(path) && !capabilities.includes('sudo')) return false
  return (BY_METHOD[method] ?? []).some((one) => capabilities.includes(one))
}
