/** A folder of configuration, as a deployment leaves it: compose files, schemas, a link to the current version. */
import { createHash } from 'node:crypto'
import { chmod, lstat, mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { OpenSample } from './sample.ts'

const FILES: Readonly<Record<string, string>> = {
  'docker-compose.yml': 'services:\n  api: { image: example/api:41, env_file: .env }\n  db: { image: postgres:15 }\n',
  'env.production': 'LOG_LEVEL=info\nWORKERS=4\n',
  'schemas/order.v1.json': '{"type":"object","required":["id"]}\n',
  'schemas/order.v2.json': '{"type":"object","required":["id","customer"]}\n',
  'nginx/nginx.conf': 'server { listen 80; location / { proxy_pass http://api; } }\n',
  'scripts/deploy.sh': '#!/bin/sh\ndocker compose up -d\n',
}

export const openFiles: OpenSample = async (dir) => {
  const root = join(dir, 'config')
  const put = async (name: string, text: string) => {
    await mkdir(join(root, name, '..'), { recursive: true })
    await writeFile(join(root, name), text)
  }
  for (const [name, text] of Object.entries(FILES)) await put(name, text)
  await chmod(join(root, 'scripts/deploy.sh'), 0o755)
  await symlink('order.v2.json', join(root, 'schemas/current.json'))
  return {
    driver: 'files',
    config: {
      root,
      host: 'here',
      exclude: ['*.tmp'],
      verify: {
        assertions: [
          { name: 'the deployment can be run', run: ['test', '-x', 'scripts/deploy.sh'] },
          { name: 'no secrets', path: '.env', exists: false },
        ],
      },
    },
    env: {},
    contents: () => describe(root),
    async change() {
      await put('docker-compose.yml', 'services: {}\n')
      await put('schemas/order.v3.json', '{}\n')
      await rm(join(root, 'schemas/current.json'))
    },
    async destroy() {
      for (const name of await readdir(root)) await rm(join(root, name), { recursive: true })
    },
    // What a restore replaced is kept on purpose; what it needed meanwhile is not.
    leftovers: async () => (await readdir(dir)).filter((name) => name.startsWith('config_restore_')),
    close: async () => {},
  }
}

/** Each path with its mode and what it holds. */
async function describe(root: string, folder = '.'): Promise<string> {
  const lines: string[] = []
  for (const name of (await readdir(join(root, folder))).sort()) {
    const path = join(folder, name)
    const { mode, mtimeMs } = await lstat(join(root, path))
    const kind = mode & 0o170000
    if (kind === 0o040000) lines.push(`${path}/ ${mode.toString(8)}`, await describe(root, path))
    else if (kind === 0o120000) lines.push(`${path} -> ${await readlink(join(root, path))}`)
    else
      lines.push(
        `${path} ${mode.toString(8)} ${mtimeMs} ${createHash('sha256')
          .update(await readFile(join(root, path)))
          .digest('hex')}`,
      )
  }
  return lines.join('\n')
}
