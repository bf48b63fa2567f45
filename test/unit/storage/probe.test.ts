/** Stores that break one promise each, silently: the probe of that name, and only where it follows another, says so. */
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../../src/storage/memory.ts'
import { probeStore } from '../../../src/storage/probe.ts'
import type { Store } from '../../../src/storage/store.ts'
import { keysIn } from '../../support/catalog.ts'
import { createFaultyStore } from '../../support/faulty.ts'

const broken: [string, string[], (store: Store) => Partial<Store>][] = [
  [
    'ignores If-None-Match on put',
    ['nothing is overwritten'],
    (store) => ({ put: (key, body) => store.put(key, body, { ifAbsent: false }) }),
  ],
  [
    'ignores If-None-Match on complete',
    ['upload in parts'],
    (store) => ({
      startUpload: async (key) => {
        const upload = await store.startUpload(key)
        return {
          ...upload,
          complete: async (whole) => {
            await store.delete(key)
            return upload.complete(whole)
          },
        }
      },
    }),
  ],
  [
    'compares no checksums',
    ['damage on the way is refused'],
    (store) => ({
      startUpload: async (key) => {
        const upload = await store.startUpload(key)
        const parts: Buffer[] = []
        return {
          ...upload,
          part: async (number, body) => {
            parts[number - 1] = Buffer.from(body)
          },
          complete: async () => {
            if ((await store.put(key, Buffer.concat(parts), { ifAbsent: true })) === 'exists')
              return upload.complete({ size: -1, crc32: '' })
            return (await store.head(key)) as never
          },
        }
      },
    }),
  ],
  [
    'keeps no checksums',
    ['checksum is kept'],
    (store) => ({
      head: async (key) => {
        const found = await store.head(key)
        return found && { ...found, crc32: undefined }
      },
    }),
  ],
  [
    'lists late',
    ['listing is current'],
    (store) => ({ list: (prefix) => (prefix.endsWith('/') ? store.list(prefix) : (async function* () {})()) }),
  ],
  ['does not delete', ['listing is current', 'delete'], () => ({ delete: async () => 'deleted' })],
]

describe('the probes of doctor', () => {
  it.each(broken)('see a store that %s', async (_, names, breakIt) => {
    const store = createMemoryStore()
    const findings = await probeStore({ ...store, ...breakIt(store) })
    const failed = findings.filter(({ ok }) => !ok)
    expect(failed.map(({ name }) => name)).toEqual(expect.arrayContaining(names.map((name) => `store: ${name}`)))
    expect(failed.every(({ next, detail }) => next && detail)).toBe(true)
  })

  it('say what a store answered that does not let us write', async () => {
    const store = createFaultyStore(createMemoryStore())
    store.failNext('put', 'denied', 99)
    const findings = await probeStore(store)
    expect(findings[0]).toMatchObject({
      name: 'store: write and read',
      ok: false,
      detail: expect.stringContaining('AccessDenied'),
      next: expect.stringContaining('permission'),
    })
  })

  it('find nothing on a store that keeps its promises, and leave nothing', async () => {
    const store = createMemoryStore()
    expect((await probeStore(store)).every(({ ok }) => ok)).toBe(true)
    expect(await keysIn(store)).toEqual([])
  })
})
