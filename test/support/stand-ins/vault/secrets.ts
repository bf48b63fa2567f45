/** KV version 2: data, and the listing of names under metadata. */
import type { Barrier } from './barrier.ts'
import { VaultError } from './errors.ts'
import type { Asked } from './routes.ts'

export function askSecrets(barrier: Barrier, { method, path, json }: Asked): object | undefined {
  const contents = barrier.contents
  const mount = Object.keys(contents?.mounts ?? {}).find((one) => path.startsWith(one))
  const [, kind, name = ''] = /^(data|metadata)\/?(.*)$/.exec(path.slice(mount?.length ?? 0)) ?? []
  if (!contents || !mount || contents.mounts[mount]?.type !== 'kv' || kind === undefined)
    throw new VaultError(404, `no handler for route "${path}". route entry not found.`)
  contents.secrets[mount] ??= {}
  const secrets = contents.secrets[mount] as Record<string, unknown[]>
  const versions = secrets[name]
  if (method === 'LIST') return { data: { keys: listed(Object.keys(secrets), name) } }
  if (method === 'GET') {
    const data = versions?.at(-1)
    if (data === undefined || data === null) throw new VaultError(404)
    return { data: { data, metadata: { version: versions?.length } } }
  }
  if (method === 'DELETE' && kind === 'metadata') delete secrets[name]
  else if (method === 'DELETE') versions?.push(null)
  else secrets[name] = [...(versions ?? []), json<{ data: unknown }>().data]
  barrier.save()
  return method === 'DELETE' ? undefined : { data: { version: secrets[name]?.length } }
}

/** One level, folders with a slash, in order; 404 where there is none. */
function listed(names: readonly string[], folder: string): string[] {
  const prefix = folder === '' || folder.endsWith('/') ? folder : `${folder}/`
  const below = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length).replace(/\/.*$/, '/'))
  if (below.length === 0) throw new VaultError(404)
  return [...new Set(below)].sort()
}
