/** Where a source is, and where its scratch server is: how to connect to each. */
import { readFile } from 'node:fs/promises'
import { type Authenticator, type ConnectionOptions, credsAuthenticator, nkeyAuthenticator } from 'nats'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { DriverWiring } from '../driver.ts'
import type { NatsSourceConfig } from './config.ts'
import type { Place } from './jetstream.ts'

type Secrets = Pick<DriverWiring, 'secret'>

export function livePlace(config: NatsSourceConfig, wiring: Secrets): Place {
  return {
    servers: config.servers.join(', '),
    domain: config.jsDomain,
    options: async () => ({ servers: config.servers, ...(await credentialsOf(config, wiring)), ...(await tlsOf(config)) }),
  }
}

async function credentialsOf(config: NatsSourceConfig, { secret }: Secrets): Promise<ConnectionOptions> {
  const { token, user, password, nkeySeed, credentials } = config
  if (token !== undefined) return { token: await secret(token) }
  if (user !== undefined) return { user, pass: password === undefined ? '' : await secret(password) }
  const bytes = async (reference: string) => new TextEncoder().encode(await secret(reference))
  if (nkeySeed !== undefined) return { authenticator: usable('nkeySeed', nkeyAuthenticator, await bytes(nkeySeed)) }
  if (credentials !== undefined) return { authenticator: usable('credentials', credsAuthenticator, await bytes(credentials)) }
  return {}
}

/** What is no key at all is told before the server is asked; the client's words might repeat it. */
function usable(key: string, make: (bytes: Uint8Array) => Authenticator, bytes: Uint8Array): Authenticator {
  const authenticator = make(bytes)
  try {
    authenticator('nonce')
    return authenticator
  } catch {
    throw new HoldfastError('CONFIG_INVALID', `${key} of the source is not what its name says`, {
      object: key,
      next: key === 'nkeySeed' ? 'give the seed of a user, which begins with SU' : 'give the whole contents of a .creds file',
    })
  }
}

async function tlsOf({ tls, servers }: NatsSourceConfig): Promise<ConnectionOptions> {
  if (!tls) return servers.some((server) => server.startsWith('tls://')) ? { tls: {} } : {}
  for (const file of Object.values(tls)) {
    await readFile(file).catch((error: unknown) => {
      throw new HoldfastError('CONFIG_INVALID', `${file} cannot be read: ${messageOf(error)}`, { object: file, cause: error })
    })
  }
  return { tls }
}
