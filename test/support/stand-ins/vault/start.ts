/**
 * A stand-in for OpenBao 2.6 (and Vault, alike where it is asked) with raft storage: no package registry carries the
 * server. A process of its own with files and errors, made after the replies of a real one.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../../../scripts/toolbox/ports.ts'
import { startDaemon } from '../../../../src/process/daemon.ts'
import { until } from '../../../../src/process/wait.ts'
import type { Fault } from '../qdrant/faults.ts'

export interface VaultStandIn {
  url: string
  port: number
  /** Everything that it stores, in `<dir>/raft/`. */
  dir: string
  pid: number
  /** The next request that fits meets the fault. */
  fail(fault: Fault): Promise<void>
  /** Ends the process; removes the folder where it was not given. May be called twice. */
  stop(): Promise<void>
}

/** Resolves once it answers, sealed, and empty at first. Started again on the same `dir` it has what it had. */
export async function startVaultStandIn(options: { dir?: string; port?: number; latencyMs?: number } = {}): Promise<VaultStandIn> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'holdfast-vault-')))
  await mkdir(dir, { recursive: true })
  const port = options.port ?? (await freePort())
  const url = `http://127.0.0.1:${port}`
  const logFile = join(dir, 'stand-in.log')
  const args = [join(import.meta.dirname, 'main.ts'), '--dir', dir, '--port', String(port), '--latency', String(options.latencyMs ?? 0)]
  const daemon = await startDaemon({ program: process.execPath, args }, { logFile })
  const stop = async () => {
    await daemon.stop()
    if (!options.dir) await rm(dir, { recursive: true, force: true })
  }
  let ended = false
  void daemon.exited.then(() => {
    ended = true
  })
  const answers = () =>
    fetch(`${url}/v1/sys/init`).then(
      ({ ok }) => ok,
      () => false,
    )
  try {
    await until(async () => ended || (await answers()), { timeoutMs: 60_000, what: `the stand-in for Vault on ${url}` })
    if (ended) throw new Error(`the stand-in for Vault ended at once: ${(await readFile(logFile, 'utf8')).slice(-1000)}`)
  } catch (error) {
    await stop()
    throw error
  }
  const fail = async (fault: Fault) => {
    await fetch(`${url}/_stand-in/fault`, { method: 'POST', body: JSON.stringify(fault) })
  }
  return { url, port, dir, pid: daemon.pid, fail, stop }
}
