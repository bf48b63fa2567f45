/** A tree with everything that a tree may have, and a tree as text. */
import { execFileSync } from 'node:child_process'
import { chmod, link, mkdir, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../../src/process/run.ts'

/** In bytes: `\xff` alone is no UTF-8. */
const odd = (root: string, name: string) => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, 'latin1')])

/** Files of many kinds, with names and modes that go wrong where somebody is careless. */
export async function fillTree(root: string): Promise<void> {
  for (const folder of ['infra', 'empty', 'logs', 'schemas/v1', 'sub folder', `deep/${'d'.repeat(200)}/${'e'.repeat(200)}`])
    await mkdir(join(root, folder), { recursive: true })
  const put = (name: string, text: string | Buffer) => writeFile(join(root, name), text)
  await put('infra/docker-compose.yml', 'services: { app: { image: app } }\n')
  await put('infra/docker-compose.prod.yml', 'services: { app: { image: app:1 } }\n')
  await put('env.example', 'LEVEL=info\n')
  await put('schemas/v1/order.json', '{"type":"object"}\n')
  await put('logs/app.log', 'started\n'.repeat(1000))
  await put('zero', '')
  await put('binary', Buffer.from(Array.from({ length: 70_000 }, (_, at) => (at * 31 + (at >> 8)) % 256)))
  await put('sub folder/with space', 'x')
  await put('new\nline', 'y')
  await put('back\\nslash', 'z')
  await put('-dash', 'q')
  await put('*', 'star')
  await put('ümläut', 'u')
  await put(`${'l'.repeat(240)}`, 'long')
  await put(`deep/${'d'.repeat(200)}/${'e'.repeat(200)}/f`, 'deep')
  await writeFile(odd(root, 'n\xff\xfe'), 'not UTF-8')
  await link(join(root, 'infra/docker-compose.yml'), join(root, 'shared.yml'))
  await symlink('infra/docker-compose.yml', join(root, 'current.yml'))
  await symlink('/nowhere/at all', join(root, 'dangling'))
  await symlink(Buffer.from('\xff', 'latin1'), join(root, 'odd link'))
  await chmod(join(root, 'binary'), 0o4750)
  await chmod(join(root, 'empty'), 0o2770)
  await utimes(join(root, 'env.example'), 1, 1_000_000_000.5)
  execFileSync('truncate', ['--size=20M', join(root, 'sparse')])
  await writeFile(join(root, 'sparse'), 'in the middle', { flag: 'r+' })
  execFileSync('dd', ['if=/dev/zero', `of=${join(root, 'holes')}`, 'bs=1', 'count=1', 'seek=5000000'], { stdio: 'ignore' })
  execFileSync('mkfifo', [join(root, 'fifo')])
  setAttribute(join(root, 'env.example'), 'user.origin', 'line\nbreak\0end')
}

/** Node knows no extended attributes. */
export function setAttribute(file: string, name: string, value: string): void {
  execFileSync('python3', ['-c', 'import os, sys; os.setxattr(sys.argv[1], sys.argv[2], sys.stdin.buffer.read())', file, name], {
    input: value,
  })
}

export function removeAttribute(file: string, name: string): void {
  execFileSync('python3', ['-c', 'import os, sys; os.removexattr(sys.argv[1], sys.argv[2])', file, name])
}

const DESCRIBE = `
import hashlib, os, stat, sys
root = os.fsencode(sys.argv[1])
for folder, folders, files in os.walk(root):
    folders.sort()
    for name in sorted(files + folders) + ([b'.'] if folder == root else []):
        path = os.path.join(folder, name)
        s = os.lstat(path)
        content = os.readlink(path) if stat.S_ISLNK(s.st_mode) else b''
        if stat.S_ISREG(s.st_mode): content = hashlib.sha256(open(path, 'rb').read()).hexdigest().encode()
        attributes = [(n, os.getxattr(path, n, follow_symlinks=False)) for n in sorted(os.listxattr(path, follow_symlinks=False))]
        print(os.path.relpath(path, root), oct(s.st_mode), s.st_uid, s.st_gid, s.st_size if stat.S_ISREG(s.st_mode) else 0, s.st_mtime_ns, s.st_nlink if stat.S_ISREG(s.st_mode) else 0, content, attributes)
`

/** Everything that a restore has to bring back, by another program than the one that is tested. */
export async function describeTree(root: string): Promise<string> {
  return (await run({ program: 'python3', args: ['-c', DESCRIBE, root] })).stdout
}
