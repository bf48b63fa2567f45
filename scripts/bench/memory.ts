/** What a worker process holds resident while it streams: little, and as much of a long stream as of a short one. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { generateSigningKey } from '../../src/catalog/signing.ts'
import { run } from '../../src/process/run.ts'
import { flagsOf } from '../node-flags.mjs'
import { findProgram } from '../toolbox/find.ts'
import { startS3 } from '../toolbox/s3.ts'
import { startTemporal } from '../toolbox/temporal.ts'
import type { Bench } from './bench.ts'
import { BUCKET } from './names.ts'

/** The worker's own program: this one is started with the same flags of Node. */
const ENTRY = fileURLToPath(new URL('../../workers/holdfast.ts', import.meta.url))
const WORKER = fileURLToPath(new URL('./memory-worker.ts', import.meta.url))
const MOST = 250
const SHORT = 100e6

interface Held {
  ready: number
  most: number
  seconds: number
}

export async function benchMemory(bench: Bench): Promise<void> {
  const configFile = await startPlace(bench)
  const measure = async (roles: string, bytes: number): Promise<Held> => {
    bench.signal.throwIfAborted()
    const { stdout } = await run(
      { program: process.execPath, args: [...flagsOf(ENTRY), WORKER, configFile, roles, String(bytes)] },
      { signal: bench.signal },
    )
    const held = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Held
    bench.say(`${roles}, ${name(bytes)}: ${held.most} MB at most, ${held.ready} MB before, in ${held.seconds} s`)
    return held
  }
  const short = await measure('data', SHORT)
  const long = await measure('data', bench.stream)
  const all = await measure('control,data', bench.stream)
  const row = (what: string, held: Held, limit: string) =>
    bench.add({
      name: `MB resident of a worker, ${what}`,
      against: 'nothing: the most that the kernel counted for the process while head of /dev/urandom went through zstd, age and the upload',
      value: held.most,
      goal: MOST,
      goalText: `${MOST} MB`,
      limit,
    })
  const base = (held: Held) => `${held.ready} MB were resident before the stream: Node, the libraries and Temporal's core`
  row(`role data, ${name(SHORT)}`, short, `${base(short)}; four parts of 8 MiB in flight`)
  row(
    `role data, ${name(bench.stream)}`,
    long,
    `${base(long)}; ${signed(long.most - short.most)} MB against ${name(SHORT)}; ${long.seconds} s`,
  )
  row(`roles control and data in one, ${name(bench.stream)}`, all, `${base(all)}; and the isolate that the workflows run in`)
}

async function startPlace({ dir, cleanup, say }: Bench): Promise<string> {
  say('starting the S3 server and Temporal')
  const s3 = await startS3({ dir: join(dir, 's3') })
  cleanup.add(() => s3.stop())
  await s3.createBucket(BUCKET)
  const temporal = await startTemporal()
  cleanup.add(() => temporal.stop())
  const keys = join(dir, 'keys')
  await mkdir(keys, { mode: 0o700 })
  const file = async (called: string, text: string) => {
    await writeFile(join(keys, called), text, { mode: 0o600 })
    return join(keys, called)
  }
  const identityFile = join(keys, 'identity.txt')
  await run({ program: findProgram('age-keygen'), args: ['-o', identityFile] })
  const recipient = (await run({ program: findProgram('age-keygen'), args: ['-y', identityFile] })).stdout.trim()
  const signing = generateSigningKey()
  const secret = async (called: string, text: string) => `\${file:${await file(called, text)}}`
  const config = {
    temporal: { address: temporal.address },
    repositories: {
      hot: {
        ...{ type: 's3', bucket: BUCKET, endpoint: s3.endpoint, caFile: s3.caFile },
        accessKeyId: await secret('access', s3.accessKeyId),
        secretAccessKey: await secret('secret', s3.secretAccessKey),
      },
    },
    encryption: { recipients: [recipient], identityFile },
    signing: { keyId: 'bench', privateKeyFile: await file('signing.pem', signing.privateKeyPem), publicKeys: { bench: signing.publicKey } },
    sources: {},
  }
  const configFile = join(dir, 'holdfast.yaml')
  await writeFile(configFile, stringify(config))
  return configFile
}

const name = (bytes: number) => (bytes >= 1e9 ? `${bytes / 1e9} GB` : `${Math.round(bytes / 1e6)} MB`)
const signed = (value: number) => (value > 0 ? `+${value}` : String(value))
