/** Names, addresses and servers as they are written in configs, zone files and answers. */
import { isIP } from 'node:net'
import { HoldfastError } from '../../core/errors.ts'

/** Lower case, without the dot at the end: two spellings of one name are equal. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

/** With the dot at the end: nothing is added to it by search lists or the zone. */
export function absolute(name: string): string {
  return `${plainName(name)}.`
}

/** The record type that holds an address, and its spelling there: CNAME for a host name. */
export function recordFor(address: string): { type: 'A' | 'AAAA' | 'CNAME'; value: string } {
  const family = isIP(address)
  if (family === 4) return { type: 'A', value: address }
  if (family === 6) return { type: 'AAAA', value: new URL(`http://[${address}]`).hostname.slice(1, -1) }
  return { type: 'CNAME', value: absolute(address) }
}

/** `10.0.0.53`, `10.0.0.53:5353`, `[fd00::53]:53`, `ns1.example.com:53`; port 53 where none is named. */
export function parseServer(server: string): { host: string; port: number } {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(server)
  const host = found?.[1] ?? found?.[2]
  if (!host)
    throw new HoldfastError('CONFIG_INVALID', `"${server}" is no name server; write address:port, like 10.0.0.53:53 or [fd00::53]:53`, {
      object: server,
    })
  return { host, port: Number(found?.[3] ?? 53) }
}

export function formatServer(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}
