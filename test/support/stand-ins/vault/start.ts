/**
 * A stand-in for OpenBao 2.6 (and Vault, alike where it is asked) with raft storage: no package registry carries the
 * server. A process of its own with files and errors, made after the replies of a real one.
 */
import { join } from 'node:path'
import { type StandIn, type StandInOptions, startStandIn } from '../start.ts'

/** What it stores is in `<dir>/raft/`. */
export type VaultStandIn = StandIn

/** Sealed, and empty at first. */
export function startVaultStandIn(options: StandInOptions = {}): Promise<VaultStandIn> {
  return startStandIn({ name: 'Vault', main: join(import.meta.dirname, 'main.ts'), ready: '/v1/sys/init' }, options)
}
