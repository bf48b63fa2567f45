/** The depth `list` of a proof: what the store says of each artifact, without reading any. */
import type { Assertion, Manifest } from '../core/records.ts'
import type { Reader } from '../storage/store.ts'
import { mapConcurrently } from './concurrent.ts'

/** One assertion for each artifact: its size, and its CRC32 where both the manifest and the store have one. */
export async function checkStored(store: Pick<Reader, 'head'>, { artifacts }: Pick<Manifest, 'artifacts'>): Promise<Assertion[]> {
  return mapConcurrently(artifacts, async ({ key, storedBytes, storeChecksum }) => {
    const found = await store.head(key)
    const compares = storeChecksum !== undefined && found?.crc32 !== undefined
    const expected = `${storedBytes} bytes${compares ? `, crc32 ${storeChecksum.value}` : ''}`
    const actual = found ? `${found.size} bytes${compares ? `, crc32 ${found.crc32}` : ''}` : 'no object'
    return { name: key, ok: expected === actual, expected, actual }
  })
}
