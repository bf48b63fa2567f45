/** A certificate authority of one's own and a server certificate for loopback, made by openssl. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../src/process/run.ts'
import { findProgram } from './find.ts'

export interface Certificate {
  caFile: string
  certFile: string
  keyFile: string
}

const LOOPBACK = ['IP:127.0.0.1', 'DNS:localhost']

/** Writes ca.pem, server.pem and server.key into the folder; absolute paths, for servers that change directory. */
export async function makeCertificate(dir: string, names: readonly string[] = LOOPBACK): Promise<Certificate> {
  const program = findProgram('openssl')
  const at = (name: string) => join(dir, name)
  const openssl = (...args: string[]) => run({ program, args, cwd: dir })
  await writeFile(at('server.ext'), `subjectAltName=${names.join(',')}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n`)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.pem'),
    '-days',
    '3650',
    '-subj',
    '/CN=holdfast test authority',
  )
  await openssl('req', ...key, '-keyout', at('server.key'), '-out', at('server.csr'), '-subj', '/CN=127.0.0.1')
  await openssl(
    'x509',
    '-req',
    '-in',
    at('server.csr'),
    '-CA',
    at('ca.pem'),
    '-CAkey',
    at('ca.key'),
    '-CAcreateserial',
    '-days',
    '3650',
    '-extfile',
    at('server.ext'),
    '-out',
    at('server.pem'),
  )
  return { caFile: at('ca.pem'), certFile: at('server.pem'), keyFile: at('server.key') }
}
