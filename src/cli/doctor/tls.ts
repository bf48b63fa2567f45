/** Whether what leaves this machine is encrypted, and the other side known. Pure. */

/** Sockets and loopback addresses never leave the machine. */
export function staysHere(host: string): boolean {
  return host.startsWith('/') || host === '' || host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** `next` is there where something needs attention. */
export interface TlsVerdict {
  detail: string
  next?: string
}

/** `encrypted` is what the server says of this very session. */
export function tlsOfPostgres({ host, sslmode, encrypted }: { host: string; sslmode: string; encrypted: boolean }): TlsVerdict {
  if (staysHere(host)) return { detail: `${host || 'a local socket'} stays on this machine` }
  if (!encrypted)
    return {
      detail: `the session with ${host} is not encrypted (sslmode=${sslmode})`,
      next: 'switch on ssl in postgresql.conf and set sslmode=verify-full with sslrootcert in the connection',
    }
  if (sslmode === 'verify-full' || sslmode === 'verify-ca') return { detail: `encrypted, the server is checked (sslmode=${sslmode})` }
  const gap = sslmode === 'require' ? 'anybody may pose as the server' : 'it falls back to plain text where the server offers no TLS'
  return { detail: `encrypted now, but with sslmode=${sslmode} ${gap}`, next: 'set sslmode=verify-full with sslrootcert in the connection' }
}

/** For endpoints that are URLs. */
export function tlsOfUrl(url: string): TlsVerdict {
  const { protocol, hostname } = new URL(url)
  if (protocol === 'https:') return { detail: `${url} is encrypted` }
  if (staysHere(hostname.replace(/^\[|\]$/g, ''))) return { detail: `${url} stays on this machine` }
  return { detail: `${url} is not encrypted`, next: 'use its https address, with caFile where its authority is not a public one' }
}

export function tlsOfTemporal(address: string, tls: boolean): TlsVerdict {
  if (tls) return { detail: `${address} is encrypted` }
  const host = address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  if (staysHere(host)) return { detail: `${address} stays on this machine` }
  return {
    detail: `${address} is not encrypted`,
    next: 'switch on TLS in the Temporal environment profile: TEMPORAL_TLS=true, or TEMPORAL_CONFIG_FILE',
  }
}
