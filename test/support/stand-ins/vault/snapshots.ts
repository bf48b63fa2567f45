/** sys/storage/raft/snapshot and snapshot-force. */
import type { ServerResponse } from 'node:http'
import { pack, sumsOf, unpack } from './archive.ts'
import type { Barrier } from './barrier.ts'
import { VaultError } from './errors.ts'
import { raftAddress } from './routes.ts'

const CHUNK = 16 * 1024

/** Chunked and without a length, as OpenBao sends it. */
export function sendSnapshot(barrier: Barrier, address: string, response: ServerResponse): void {
  const { raft, bytes: state } = barrier
  const servers = [{ Suffrage: 0, ID: raft.nodeId, Address: raftAddress(address) }]
  const meta = {
    Version: 1,
    ID: 'bolt-snapshot',
    Index: raft.index,
    Term: raft.term,
    Configuration: { Servers: servers },
    Size: state.length,
  }
  const checked = { 'meta.json': Buffer.from(`${JSON.stringify(meta)}\n`), 'state.bin': state }
  const sums = sumsOf(checked)
  const archive = pack({ ...checked, SHA256SUMS: Buffer.from(sums), 'SHA256SUMS.sealed': Buffer.from(barrier.sealText(sums)) })
  response.writeHead(200, { 'content-type': 'application/gzip' })
  for (let at = 0; at < archive.length; at += CHUNK) response.write(archive.subarray(at, at + CHUNK))
  response.end()
}

export function takeSnapshot(barrier: Barrier, archive: Buffer, force: boolean): void {
  const files = read(archive)
  const own = barrier.opens(files['SHA256SUMS.sealed']?.toString('utf8') ?? '')
  if (!own && !force)
    throw new VaultError(
      400,
      'could not verify hash file, possibly the snapshot is using a different set of unseal keys; use the snapshot-force API to bypass this check',
    )
  const { Index } = JSON.parse(files['meta.json']?.toString('utf8') ?? '{}') as { Index: number }
  barrier.replace(files['state.bin'] as Buffer, Index, !force)
}

function read(archive: Buffer): Record<string, Buffer> {
  try {
    return unpack(archive)
  } catch (error) {
    throw new VaultError(500, (error as Error).message)
  }
}
