/** The repository that a folder is in: recorded with each backup, committed and pushed where that is wanted, never with a secret. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { filesSource } from '../../src/drivers/files/config.ts'
import { createFiles } from '../../src/drivers/files/index.ts'
import { run } from '../../src/process/run.ts'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'

let dir: string
let root: string
let repository: Repository
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-git-'))
  root = join(dir, 'checkout/config')
  await mkdir(root, { recursive: true })
  repository = await openRepository()
  await git('init', '--quiet', '--initial-branch=main')
  await put('app.yml', 'one')
  await put('.gitignore', 'ignored\n')
  await git('add', '--all')
  await git('commit', '--quiet', '-m', 'first')
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
  await rm(repository.dir, { recursive: true, force: true })
})

const ana = { GIT_AUTHOR_NAME: 'ana', GIT_AUTHOR_EMAIL: 'ana@x', GIT_COMMITTER_NAME: 'ana', GIT_COMMITTER_EMAIL: 'ana@x' }
const git = async (...args: string[]) =>
  (await run({ program: 'git', args: ['-C', join(dir, 'checkout'), '-c', 'safe.directory=*', ...args], env: ana })).stdout.trim()
const put = async (name: string, text = name) => {
  await mkdir(join(root, name, '..'), { recursive: true })
  await writeFile(join(root, name), text)
}
const driverOf = (more: object = {}) => createFiles(filesSource.parse({ driver: 'files', repository: 'hot', root, ...more }))
const take = (more: object = {}) => takePoint(driverOf(more), repository, nextRequest())

describe('a backup of a folder in a git repository', () => {
  it('records the commit, the branch and how many files are not as committed, and changes nothing', async () => {
    const commit = await git('rev-parse', 'HEAD')
    expect((await take()).inventory?.['git']).toEqual({ commit, branch: 'main', changed: 0 })
    await put('app.yml', 'two')
    await put('new')
    const status = await git('status', '--porcelain')
    const manifest = await take()
    expect(manifest.inventory?.['git']).toEqual({ commit, branch: 'main', changed: 2 })
    expect(manifest.consistency).toMatchObject({ git: { commit } })
    expect(await git('status', '--porcelain')).toBe(status)
  })

  it('before its first commit says that there is none', async () => {
    await rm(join(dir, 'checkout/.git'), { recursive: true })
    await git('init', '--quiet', '--initial-branch=main')
    expect((await take()).inventory?.['git']).toMatchObject({ commit: 'none', branch: 'main' })
  })

  it('outside of one records none', async () => {
    await rm(join(dir, 'checkout/.git'), { recursive: true })
    expect((await take()).inventory).not.toHaveProperty('git')
    const { findings } = await driverOf({ git: { commit: true } }).preflight(contextFor())
    expect(findings).toContainEqual(expect.objectContaining({ name: 'git', ok: false, required: true }))
  })
})

describe('with commit', () => {
  it('what changed below the root is committed first, and pushed; nothing else is', async () => {
    const remote = join(dir, 'remote.git')
    await run({ program: 'git', args: ['init', '--quiet', '--bare', remote] })
    await git('remote', 'add', 'origin', remote)
    await writeFile(join(dir, 'checkout/outside'), 'not ours')
    await put('app.yml', 'two')
    await put('odd\nname ü*')
    await rm(join(root, '.gitignore'))
    const manifest = await take({ git: { commit: true, push: 'origin', message: 'Configuration {id}' } })
    const commit = await git('rev-parse', 'HEAD')
    expect(manifest.warnings).toEqual([])
    expect(manifest.inventory?.['git']).toEqual({ commit, branch: 'main', changed: 0 })
    expect(await git('log', '-1', '--format=%s')).toBe(`Configuration ${manifest.id}`)
    expect((await git('show', '--name-only', '--format=', '-z', 'HEAD')).split('\0').sort()).toEqual([
      '',
      'config/.gitignore',
      'config/app.yml',
      'config/odd\nname ü*',
    ])
    expect((await run({ program: 'git', args: ['-C', remote, 'rev-parse', 'main'] })).stdout.trim()).toBe(commit)
    expect(await git('status', '--porcelain')).toBe('?? outside')
  })

  it('what is staged elsewhere stays staged, and nothing to commit is no error', async () => {
    await writeFile(join(dir, 'checkout/staged'), 'theirs')
    await git('add', 'staged')
    const before = await git('rev-parse', 'HEAD')
    await take({ git: { commit: true } })
    expect(await git('rev-parse', 'HEAD')).toBe(before)
    await put('app.yml', 'two')
    await take({ git: { commit: true } })
    expect(await git('rev-parse', 'HEAD~1')).toBe(before)
    expect(await git('status', '--porcelain')).toBe('A  staged')
  })

  it('no secret gets into a commit, by name or by content, and what is excluded does not either', async () => {
    await put('.env')
    await put('server.key')
    await put('cache/x')
    await put('.netrc')
    await put('notes.txt', '-----BEGIN RSA PRIVATE KEY-----')
    await put('fine')
    const manifest = await take({ exclude: ['cache'], git: { commit: true } })
    expect(manifest.warnings).toContain('not committed, for it holds a secret: notes.txt')
    expect(await git('ls-files')).toBe(['config/.gitignore', 'config/app.yml', 'config/fine'].join('\n'))
  })

  it('a remote that cannot be reached is a warning, and the backup is taken', async () => {
    await git('remote', 'add', 'origin', join(dir, 'nowhere'))
    await put('app.yml', 'two')
    const manifest = await take({ git: { commit: true, push: 'origin' } })
    expect(manifest.warnings).toEqual([expect.stringMatching(/^the commit was not pushed to origin: /)])
    expect(manifest.inventory?.['git']).toMatchObject({ changed: 0 })
  })

  it.runIf(process.getuid?.() === 0)('works as root in a repository of somebody else, whose it stays', async () => {
    await chmod(dir, 0o755)
    await run({ program: 'chown', args: ['-R', 'nobody', join(dir, 'checkout')] })
    await put('app.yml', 'two')
    await run({ program: 'chown', args: ['-R', 'nobody', join(dir, 'checkout')] })
    const manifest = await take({ git: { commit: true } })
    expect(manifest.inventory?.['git']).toMatchObject({ branch: 'main', changed: 0 })
    const strangers = await run({ program: 'find', args: [join(dir, 'checkout'), '!', '-user', 'nobody'] })
    expect(strangers.stdout).toBe('')
  })
})
