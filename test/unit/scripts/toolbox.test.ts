import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type Server } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { downloadTemporal } from '../../../scripts/toolbox/download.ts'
import { ensureForTests } from '../../../scripts/toolbox/ensure.ts'
import { findProgram, lookUp } from '../../../scripts/toolbox/find.ts'
import { freePort, freePortOn, reservePort } from '../../../scripts/toolbox/ports.ts'
import { ENGINES, PAIR, PROGRAMS } from '../../../scripts/toolbox/programs.ts'
import { startTemporal } from '../../../scripts/toolbox/temporal.ts'
import { groupAlive } from '../../../src/process/group.ts'

let folder: string
const before = { PATH: process.env.PATH, HOLDFAST_CACHE: process.env.HOLDFAST_CACHE }
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-toolbox-'))
})
afterEach(() => {
  process.env.PATH = before.PATH
  if (before.HOLDFAST_CACHE === undefined) delete process.env.HOLDFAST_CACHE
  else process.env.HOLDFAST_CACHE = before.HOLDFAST_CACHE
  rmSync(folder, { recursive: true })
})

function program(name: string, text = '#!/bin/sh\n'): string {
  mkdirSync(join(folder, 'bin'), { recursive: true })
  const path = join(folder, 'bin', name)
  writeFileSync(path, text)
  chmodSync(path, 0o755)
  return path
}

describe('finding a program', () => {
  it('looks on PATH first, then in the cache', () => {
    process.env.HOLDFAST_CACHE = folder
    const cached = program('some-tool')
    expect(findProgram('some-tool')).toBe(cached)
    const onPath = join(folder, 'path', 'some-tool')
    cpSync(join(folder, 'bin'), join(folder, 'path'), { recursive: true })
    process.env.PATH = join(folder, 'path')
    expect(findProgram('some-tool')).toBe(onPath)
  })

  it('names the command that installs what is missing', () => {
    process.env.PATH = folder
    process.env.HOLDFAST_CACHE = folder
    expect(() => findProgram('versitygw')).toThrow(
      expect.objectContaining({
        code: 'TOOL_MISSING',
        object: 'versitygw',
        next: expect.stringContaining('go install github.com/versity/versitygw/cmd/versitygw@'),
      }),
    )
    expect(() => findProgram('age')).toThrow(
      expect.objectContaining({ next: expect.stringContaining('apt-get install --no-install-recommends age') }),
    )
  })

  it('passes over the wrapper that Debian puts in place of each PostgreSQL program', () => {
    const wrapper = program('pg_wrapper')
    symlinkSync(wrapper, join(folder, 'bin', 'pg_something'))
    process.env.PATH = join(folder, 'bin')
    expect(lookUp('pg_something')).toBeUndefined()
  })

  it('knows one way to install each program', () => {
    const names = PROGRAMS.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(PROGRAMS.filter(({ install }) => !/^(apt-get install|go install|npm run toolbox) /.test(install))).toEqual([])
  })
})

describe('a user who may not install packages', () => {
  const lines: string[] = []
  const progress = (line: string) => void lines.push(line)
  const have = (programs: typeof PAIR) => programs.forEach(({ name }) => void program(name))
  beforeEach(() => {
    lines.length = 0
    // Without apt-get root may not either.
    process.env.PATH = join(folder, 'bin')
    process.env.HOLDFAST_CACHE = folder
  })

  it('is told what the tests of the engines need, and how to have it; the other tests run', async () => {
    have([...PAIR, ...ENGINES].filter(({ name }) => !['redis-cli', 'falkordb-check-rdb'].includes(name)))
    await ensureForTests({ progress })
    expect(lines).toEqual([
      expect.stringMatching(/: redis-cli; .*skipped.*apt-get install --no-install-recommends redis-tools$/),
      expect.stringMatching(/Debian on an x86-64 processor: falkordb-check-rdb; .*skipped/),
    ])
  })

  it('is refused the tests where a program of the pair is missing', async () => {
    have([...PAIR, ...ENGINES].filter(({ name }) => name !== 'zstd'))
    await expect(ensureForTests({ progress })).rejects.toMatchObject({ code: 'TOOL_MISSING', next: expect.stringContaining('zstd') })
  })
})

describe('a free port', () => {
  it('is never given twice', async () => {
    const ports = await Promise.all(Array.from({ length: 50 }, () => freePort()))
    expect(new Set(ports).size).toBe(50)
  })

  it('is one on which nobody listens, on any of the addresses', async () => {
    const next = await freePort()
    const servers = await Promise.all([next + 1, next + 2].map((port, index) => listen(port, `127.0.0.${index + 2}`)))
    expect(await freePortOn(['127.0.0.2', '127.0.0.3'])).toBeGreaterThan(next + 2)
    for (const server of servers) server.close()
  })

  it('is of one process while that lives, also while nobody listens there', async () => {
    const next = (await freePort()) + 1
    const program = `import { reservePort } from '${new URL('../../../scripts/toolbox/ports.ts', import.meta.url)}'
      console.log(await reservePort(${next}))
      process.stdin.resume()`
    const other = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] })
    try {
      expect(String((await once(other.stdout, 'data'))[0]).trim()).toBe('true')
      expect(await freePort()).not.toBe(next)
    } finally {
      other.stdin.end()
      await once(other, 'exit')
    }
    expect(await reservePort(next)).toBe(true)
  })

  it('is refused for an address that this machine does not have', async () => {
    await expect(freePort('192.0.2.1')).rejects.toMatchObject({ code: 'NOT_FOUND', next: expect.stringContaining('ip address') })
  })
})

function listen(port: number, host: string): Promise<{ close(): void }> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, host, () => resolve(server))
  })
}

describe('downloading Temporal where Go cannot build it', () => {
  let server: Server
  let origin: string
  let asked: string[]
  beforeEach(async () => {
    asked = []
    program('temporal', '#!/bin/sh\necho of the archive\n')
    execFileSync('tar', ['-czf', join(folder, 'archive.tar.gz'), '-C', join(folder, 'bin'), 'temporal'])
    server = createHttpServer((request, response) => {
      asked.push(request.url ?? '')
      if (request.url?.includes('missing')) response.writeHead(404).end()
      else response.end(readFileSync(join(folder, 'archive.tar.gz')))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(() => new Promise((resolve) => server.close(resolve)))

  it('unpacks the program of this platform, of the version that is wanted', async () => {
    const path = await downloadTemporal(join(folder, 'to'), undefined, origin)
    expect(execFileSync(path, { encoding: 'utf8' })).toBe('of the archive\n')
    expect(asked).toEqual([expect.stringMatching(/^\/cli\/archive\/v1\.5\.1\?platform=linux&arch=(amd64|arm64)$/)])
  })

  it('says what to do where it is refused or out of reach', async () => {
    await expect(downloadTemporal(join(folder, 'to'), undefined, `${origin}/missing`)).rejects.toMatchObject({
      code: 'TOOL_MISSING',
      message: expect.stringContaining('404'),
    })
    const nobody = `http://127.0.0.1:${await freePort()}`
    await expect(downloadTemporal(join(folder, 'to'), undefined, nobody)).rejects.toMatchObject({
      code: 'TOOL_MISSING',
      next: expect.stringContaining('install Go'),
    })
  })
})

describe('a Temporal server of one’s own', () => {
  it('keeps its state in its file, knows its search attributes, and leaves nothing', async () => {
    const dbFile = join(folder, 'temporal.db')
    const server = await startTemporal({ dbFile, ui: true, searchAttributes: { HoldfastSource: 'Keyword' } })
    expect((await fetch(server.uiUrl ?? '')).status).toBe(200)
    await server.stop()
    const port = Number(server.address.split(':')[1])
    const again = await startTemporal({ dbFile, port })
    expect(again.address).toBe(server.address)
    expect(again.uiUrl).toBeUndefined()
    await again.stop()
    expect([server, again].map(({ pid }) => groupAlive(pid))).toEqual([false, false])
  })

  it('says why it ended where it cannot start', async () => {
    await expect(startTemporal({ dbFile: join(folder, 'none', 'temporal.db') })).rejects.toMatchObject({
      code: 'TEMPORAL_UNREACHABLE',
      message: expect.stringContaining('no such file or directory'),
    })
  })
})
