/** Whether a capture of this server can succeed, and a restore over it, before it is begun. Changes nothing. */
import type { DriverContext, Preflight } from '../driver.ts'
import { SNAPSHOT } from './capture.ts'
import { type SealStatus, sealStatus } from './facts.ts'
import { sourcePlace, type Vault, type Work, withVault } from './server.ts'

type Finding = Preflight['findings'][number]

const FORCE = `${SNAPSHOT}-force`
/** Nobody tells how large a snapshot will be: about an empty one. */
const ESTIMATE = 64 * 1024

export async function preflight(work: Work, context: DriverContext): Promise<Preflight> {
  context.onProgress({ phase: 'preflight' })
  return withVault(work, sourcePlace(work), context.signal, async (vault) => {
    const status = await sealStatus(vault)
    const rights = status.sealed ? [] : await rightsFindings(vault)
    return {
      versions: { vault: status.version },
      estimateBytes: ESTIMATE,
      findings: [sealFinding(status), storageFinding(status), ...rights, scratchFinding(work), ...encryptionFinding(work)],
    }
  })
}

function sealFinding({ sealed, initialized, type }: SealStatus): Finding {
  return {
    name: 'seal',
    ok: !sealed && initialized,
    required: true,
    detail: initialized ? `${sealed ? 'sealed' : 'unsealed'}, by ${type}` : 'not initialised',
    next: initialized ? 'unseal it' : 'initialise and unseal it',
  }
}

function storageFinding({ storage_type: storage }: SealStatus): Finding {
  return {
    name: 'storage',
    ok: storage === undefined || storage === 'raft',
    required: true,
    detail: storage ?? 'not told',
    next: 'only raft storage has snapshots; others are backed up where they store',
  }
}

async function rightsFindings(vault: Vault): Promise<Finding[]> {
  const wanted = [
    { path: SNAPSHOT, any: ['read'], required: true, why: 'a backup' },
    { path: SNAPSHOT, any: ['create', 'update'], required: false, why: 'a restore over it' },
    { path: FORCE, any: ['create', 'update'], sudo: true, required: false, why: 'a restore from another cluster' },
    { path: 'sys/mounts', any: ['read'], required: false, why: 'a proof that compares the engines' },
    { path: 'sys/auth', any: ['read'], required: false, why: 'a proof that compares the ways to log in' },
  ]
  const paths = [...new Set(wanted.map(({ path }) => path))]
  const { body } = await vault.ask('POST', 'sys/capabilities-self', { body: { paths } })
  const has = (body['data'] ?? body) as Record<string, string[]>
  return wanted.map(({ path, any, sudo = false, required, why }) => {
    const capabilities = has[path] ?? []
    const ok = capabilities.includes('root') || (any.some((one) => capabilities.includes(one)) && (!sudo || capabilities.includes('sudo')))
    const need = [...any, ...(sudo ? ['sudo'] : [])]
    return {
      name: `policy for ${why}`,
      ok,
      required,
      detail: `${path}: ${capabilities.join(', ') || 'nothing'}`,
      next: `add to a policy of the token: ${policyText(path, need)}`,
    }
  })
}

const policyText = (path: string, need: readonly string[]): string =>
  `path "${path}" { capabilities = [${need.map((one) => `"${one}"`).join(', ')}] }`

function scratchFinding({ config }: Work): Finding {
  return {
    name: 'scratch',
    ok: config.scratch !== undefined,
    required: false,
    detail: config.scratch ? config.scratch.url : 'none: only the checksums of a snapshot are proved, and no restore',
    next: 'give the source scratch: another Vault, and references to the keys that unseal this one',
  }
}

function encryptionFinding({ config }: Work): Finding[] {
  const open = [config.url, config.scratch?.url].filter(
    (url) => url?.startsWith('http:') && !/^(127\.|localhost$|\[::1\])/.test(new URL(url).hostname),
  )
  if (open.length === 0) return []
  return [
    {
      name: 'encryption',
      ok: false,
      required: false,
      detail: `tokens go to ${open.join(', ')} in the clear`,
      next: 'enable TLS and write https',
    },
  ]
}
