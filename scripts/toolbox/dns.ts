/** A name server of one's own: bind9, authoritative for one zone, on loopback, open to dynamic updates that carry its key. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { Resolver } from 'node:dns/promises'
import { join } from 'node:path'
import { findProgram } from './find.ts'
import { freePort } from './ports.ts'
import { type Server, serverFolder, startServer } from './server.ts'

export interface DnsRecord {
  name: string
  type: string
  ttl: number
  value: string
}

export interface TsigKey {
  name: string
  algorithm: string
  secret: string
}

export interface DnsOptions {
  /** Keeps the configuration, the zone and its journal; a temporary folder that stop() removes by default. */
  dir?: string
  zone: string
  /** Beside SOA and NS. Names and values are taken as a zone file has them: relative, or absolute with a dot at the end. */
  records: DnsRecord[]
  address?: string
  port?: number
  key?: TsigKey
  /** Follows this server (`address:port`) instead of holding the zone itself; it takes over what that one sends it. */
  primary?: string
  /** Secondaries (`address:port`) that are told of each change. */
  notify?: string[]
}

export interface DnsServer extends Server {
  /** `address:port`, as the config wants it. */
  server: string
  address: string
  port: number
  zone: string
  key: TsigKey
}

/** Starts the server; resolves once it answers for the zone. */
export async function startDns(options: DnsOptions): Promise<DnsServer> {
  const address = options.address ?? '127.0.0.1'
  const port = options.port ?? (await freePort(address))
  const server = `${address}:${port}`
  const key = options.key ?? { name: 'holdfast', algorithm: 'hmac-sha256', secret: randomBytes(32).toString('base64') }
  const { dir, remove } = await serverFolder(options.dir, 'holdfast-dns-')
  const configFile = join(dir, 'named.conf')
  await writeFile(configFile, configuration({ ...options, dir, address, port, key }), { mode: 0o600 })
  if (!options.primary) await writeFile(join(dir, 'zone.db'), zoneFile(options.records, address))
  const started = await startServer({
    what: `the name server on ${server}`,
    // -g: in the foreground, messages to the log file, no syslog. One thread is plenty, and quicker to stop.
    command: { program: findProgram('named'), args: ['-g', '-n', '1', '-c', configFile], cwd: dir },
    logFile: join(dir, 'named.log'),
    answers: () => answers(server, options.zone),
    cleanUp: remove,
  })
  return { server, address, port, zone: options.zone, key, ...started }
}

interface Settled extends DnsOptions {
  dir: string
  address: string
  port: number
  key: TsigKey
}

// Every path is named, so that none of the system's is used: it runs beside another bind9, and as any user.
function configuration({ dir, zone, address, port, key, primary, notify = [] }: Settled): string {
  const role = primary
    ? `type secondary; file "zone.db"; masterfile-format text; primaries { ${withPort(primary)}; };`
    : `type primary; file "zone.db"; allow-update { key "${key.name}"; };`
  return `key "${key.name}" { algorithm ${key.algorithm}; secret "${key.secret}"; };
options {
  directory "${dir}";
  listen-on port ${port} { ${address}; };
  listen-on-v6 { none; };
  pid-file "${join(dir, 'named.pid')}";
  session-keyfile "${join(dir, 'session.key')}";
  lock-file none;
  managed-keys-directory "${dir}";
  recursion no;
  dnssec-validation no;
  notify ${notify.length > 0 ? 'explicit' : 'no'};
  also-notify { ${notify.map((one) => `${withPort(one)};`).join(' ')} };
  transfer-source ${address};
  notify-source ${address};
  notify-delay 0;
};
controls { };
zone "${zone}" { ${role} };
`
}

function withPort(server: string): string {
  const [address, port] = server.split(':')
  return `${address} port ${port}`
}

function zoneFile(records: DnsRecord[], address: string): string {
  const lines = records.map(({ name, type, ttl, value }) => `${name} ${ttl} IN ${type} ${value}`)
  return ['$TTL 60', '@ IN SOA ns hostmaster 1 60 60 600 5', '@ IN NS ns', `ns IN A ${address}`, ...lines, ''].join('\n')
}

async function answers(server: string, zone: string): Promise<boolean> {
  const resolver = new Resolver({ timeout: 500, tries: 1 })
  resolver.setServers([server])
  return resolver.resolveSoa(zone).then(
    () => true,
    () => false,
  )
}
