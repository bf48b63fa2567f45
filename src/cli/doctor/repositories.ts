/** Each repository: whether it can be reached, is encrypted on the way, and keeps the promises that Holdfast relies on. */
import type { Config } from '../../config/schema.ts'
import { openStore } from '../../storage/open.ts'
import { probeStore } from '../../storage/probe.ts'
import type { Store } from '../../storage/store.ts'
import type { Findings } from './finding.ts'
import { tlsOfUrl } from './tls.ts'

/** Somebody waits: two tries tell a store that is away from one that hiccups. */
const TRIES = { attempts: 2, firstPauseMs: 500 }

export async function examineRepositories({ repositories }: Config, findings: Findings): Promise<void> {
  for (const [name, repository] of Object.entries(repositories)) {
    if (repository.type === 's3' && repository.endpoint) {
      const { detail, next } = tlsOfUrl(repository.endpoint)
      findings.say(!next, name, 'TLS', detail, next ?? '')
    }
    await findings.guard(name, 'reachable', async () => {
      const store = await openStore(repository, TRIES)
      try {
        await examineStore(name, store, findings)
      } finally {
        store.close()
      }
    })
  }
}

async function examineStore(name: string, store: Store, findings: Findings): Promise<void> {
  // Where not even this works the probes would say the same many times over.
  for await (const _ of store.list('holdfast/v1/')) break
  findings.well(name, 'reachable', store.name)
  for (const { name: probe, ok, detail, next } of await probeStore(store)) {
    findings.say(ok, name, probe.replace(/^store: /, ''), detail, next ?? 'look at the repository')
  }
}
