/** docker-compose.yml and the Dockerfile hold together: checked by Docker itself where it is, by their structure always. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { sampleConfig, SITE_DIR } from '../../scripts/compose/sample-config.ts'
import { PROGRAMS } from '../../scripts/toolbox/programs.ts'
import type { Config } from '../../src/config/schema.ts'
import { run } from '../../src/process/run.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const read = (name: string) => readFileSync(`${ROOT}${name}`, 'utf8')

interface Service {
  image?: string
  build?: string
  init?: boolean
  restart?: string
  entrypoint?: string[]
  command?: string[]
  environment?: Record<string, string>
  volumes?: string[]
  configs?: { source: string }[]
  ports?: string[]
  depends_on?: Record<string, { condition: string }>
  healthcheck?: { test: string[] }
}
const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, Service>
  volumes: Record<string, unknown>
  configs: Record<string, unknown>
}
const services = Object.entries(compose.services)
const isOneShot = ({ restart }: Service) => restart === 'no'

test('docker compose takes the file, where docker compose is installed', async () => {
  const present = await run({ program: 'docker', args: ['compose', 'version'] }, { accept: [0, 1, 2, 125] }).catch(() => undefined)
  // Without it the structure below is what is checked.
  if (present?.exitCode !== 0) return
  const { stdout } = await run({ program: 'docker', args: ['compose', '-f', 'docker-compose.yml', 'config', '--services'], cwd: ROOT })
  expect(stdout.trim().split('\n').sort()).toEqual(Object.keys(compose.services).sort())
})

describe.each(services)('service %s', (name, service) => {
  test('has an image with a version, or is built here', () => {
    expect(service.image ?? service.build).toBeDefined()
    if (!service.build) expect(service.image).toMatch(/^[a-z0-9/.-]+:v?\d+[\w.-]*$/)
  })

  test('runs under an init that reaps', () => {
    expect(service.init).toBe(true)
  })

  test('tells whether it is well, unless it does one thing and ends', () => {
    if (isOneShot(service)) expect(service.healthcheck).toBeUndefined()
    else expect(service.healthcheck?.test[0]).toBe('CMD')
  })

  test('depends on services that exist, in a state that they can reach', () => {
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      const found = compose.services[other]
      expect(found, `${name} depends on ${other}`).toBeDefined()
      expect(condition).toBe(found && isOneShot(found) ? 'service_completed_successfully' : 'service_healthy')
    }
  })

  test('publishes its ports on loopback only', () => {
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
  })

  test('uses volumes and configs that are declared', () => {
    for (const volume of service.volumes ?? []) expect(Object.keys(compose.volumes)).toContain(volume.split(':')[0])
    for (const { source } of service.configs ?? []) expect(Object.keys(compose.configs)).toContain(source)
  })

  test('holds no secret, but such as are marked as demo values', () => {
    for (const [key, value] of Object.entries(service.environment ?? {})) {
      if (/PASS|PWD|SECRET|TOKEN|KEY$/.test(key)) expect(value, key).toMatch(/^demo-only-/)
    }
    const words = [...(service.entrypoint ?? []), ...(service.command ?? [])].join('\n')
    expect(words).not.toMatch(/(?:PASS\w*|PWD|SECRET\w*|TOKEN|ACCESS_KEY\w*)="?[^"$]/)
  })

  test('starts files that are in the image', () => {
    const words = [...(service.entrypoint ?? []), ...(service.command ?? []), ...(service.healthcheck?.test ?? [])]
    for (const file of words.filter((word) => word.startsWith('/app/')))
      expect(existsSync(`${ROOT}${file.slice('/app/'.length)}`), file).toBe(true)
  })
})

test('every declared volume is used, and each port is published once', () => {
  const used = services.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0]))
  expect(Object.keys(compose.volumes).filter((volume) => !used.includes(volume))).toEqual([])
  const ports = services.flatMap(([, service]) => (service.ports ?? []).map((port) => port.split(':')[1]))
  expect(new Set(ports).size).toBe(ports.length)
})

test("the sample's configuration speaks of services that are there", () => {
  const config = parse(sampleConfig({ keys: '/keys/made', recipient: 'age1x', publicKey: 'x' })) as Config
  expect(config.temporal.address).toBe('temporal:7233')
  const { hot } = config.repositories
  expect(hot?.type === 's3' && new URL(hot.endpoint ?? '').hostname).toBe('s3')
  for (const [name, site] of Object.entries(config.failoverGroups['shop']?.sites ?? {})) {
    expect(compose.services[site.host]?.environment?.['SITE']).toBe(name)
    expect(compose.services[site.address]?.volumes).toContainEqual(`${name}:${SITE_DIR}`)
    for (const words of Object.values(site.supervisor))
      expect(existsSync(`${ROOT}${words[1]?.slice('/app/'.length)}`), words.join(' ')).toBe(true)
  }
})

describe('the image', () => {
  const dockerfile = read('Dockerfile')
  const copied = [...dockerfile.matchAll(/^COPY ((?:\S+ )+)\S+$/gm)].flatMap(([, sources = '']) => sources.trim().split(' '))

  test('gets what exists, and what .dockerignore lets through', () => {
    const allowed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    expect(copied.filter((source) => !existsSync(`${ROOT}${source}`))).toEqual([])
    expect(copied.filter((source) => !allowed.includes(source))).toEqual([])
  })

  test('has every folder that the worker imports', () => {
    for (const folder of ['src', 'workflows', 'activities', 'workers', 'scripts']) expect(copied).toContain(folder)
  })

  test('has the programs that Holdfast runs', () => {
    // Not in the image is what only tests ask: a name server, an SSH server.
    const asked = ['bind9', 'openssh-server']
    const packages = new Set(PROGRAMS.flatMap(({ from }) => ('debian' in from && !asked.includes(from.debian) ? [from.debian] : [])))
    for (const name of packages) expect(dockerfile, name).toMatch(new RegExp(`\\s${name}\\s`))
  })
})
