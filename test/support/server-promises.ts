/** What every server of the toolbox promises to the tests that start it. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lookUp } from '../../scripts/toolbox/find.ts'
import type { Server } from '../../scripts/toolbox/server.ts'
import { groupAlive } from '../../src/process/group.ts'

type Started = Server & { dir: string; port: number }

export interface ServerUnderTest<S extends Started> {
  name: string
  /** Programs without which the tests are skipped; the toolbox has said how to have them. */
  needs: readonly string[]
  start(options?: { dir?: string; port?: number }): Promise<S>
  /** Has the server keep something. */
  write(server: S): Promise<void>
  /** Gives what `write` wrote; undefined where the server has nothing. */
  read(server: S): Promise<unknown>
}

/** Registers the tests. */
export function serverPromises<S extends Started>({ name, needs, start, write, read }: ServerUnderTest<S>): void {
  describe.skipIf(!needs.every(lookUp))(`${name} of one’s own`, () => {
    let folder: string
    let started: Server[]
    const before = process.env.TMPDIR
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'holdfast-server-'))
      mkdirSync(join(folder, 'tmp'))
      process.env.TMPDIR = join(folder, 'tmp')
      started = []
    })
    afterEach(async () => {
      for (const server of started) await server.stop()
      if (before === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = before
      rmSync(folder, { recursive: true })
    })
    const begin: typeof start = async (options) => {
      const server = await start(options)
      started.push(server)
      return server
    }

    it('keeps its data in its folder over a stop and a start on the same port', async () => {
      const dir = join(folder, 'data')
      const first = await begin({ dir })
      await write(first)
      await first.stop()
      const again = await begin({ dir, port: first.port })
      expect(await read(again)).toBeDefined()
      expect(again).toMatchObject({ dir, port: first.port })
    })

    it('begins with nothing, and leaves no process and no folder', async () => {
      const server = await begin()
      expect(readdirSync(join(folder, 'tmp'))).toHaveLength(1)
      expect(await read(server)).toBeUndefined()
      expect(groupAlive(server.pid)).toBe(true)
      await server.stop()
      expect(groupAlive(server.pid)).toBe(false)
      expect(readdirSync(join(folder, 'tmp'))).toEqual([])
    })

    it('says why it ended where its port is taken, and leaves nothing of that', async () => {
      const { port } = await begin({ dir: join(folder, 'data') })
      await expect(begin({ port })).rejects.toMatchObject({
        code: 'PROCESS_FAILED',
        message: expect.stringMatching(/address already in use/i),
      })
      expect(readdirSync(join(folder, 'tmp'))).toEqual([])
    })
  })
}
