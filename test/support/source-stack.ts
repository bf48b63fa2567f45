/** Temporal, a folder repository and a worker in every role for samples of any kind of source. */
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from '@temporalio/client'
import { stringify } from 'yaml'
import { createCleanup, startWorkerProcess } from '../../scripts/quickstart/stack.ts'
import type { OpenSample, SampleSource } from '../../scripts/sources/sample.ts'
import type { Run } from '../../scripts/sources/story.ts'
import { reachableFolder } from '../../scripts/toolbox/postgres.ts'
import { startTemporal } from '../../scripts/toolbox/temporal.ts'
import { generateSigningKey } from '../../src/catalog/signing.ts'
import { connectClient } from '../../src/temporal/connection.ts'
import { registerSearchAttributes } from '../../src/temporal/search-attributes.ts'
import { makeIdentity } from './age.ts'

export interface SourceStack {
  configFile: string
  client: Client
  samples: Record<string, SampleSource>
  run: Run
  close(): Promise<void>
}

export interface StackOptions {
  /** Keeps the repository and the keys there, and finds them again: all that is left after a loss. */
  home?: string
  /** As in holdfast.yaml. */
  sets?: object
  /** The worker bundles its workflows itself, as it does wherever it is installed, which takes seconds; else it has those of the run. */
  bundles?: boolean
}

/** Opens each sample, and starts a worker that serves all of their sources. */
export async function openSourceStack(openers: Record<string, OpenSample>, options: StackOptions = {}): Promise<SourceStack> {
  const cleanup = createCleanup()
  try {
    const dir = await reachableFolder('hfs-')
    cleanup.add(() => rm(dir, { recursive: true, force: true }))
    const samples: Record<string, SampleSource> = {}
    for (const [name, open] of Object.entries(openers)) {
      const own = join(dir, name)
      await mkdir(own, { mode: 0o755 })
      const sample = await open(own)
      cleanup.add(() => sample.close())
      samples[name] = sample
    }
    const temporal = await startTemporal()
    cleanup.add(() => temporal.stop())
    const kept = await keptIn(options.home ?? dir)
    const configFile = await writeConfig({ dir, kept, address: temporal.address, samples, sets: options.sets ?? {} })
    const client = await connectClient({ address: temporal.address, namespace: 'default' })
    cleanup.add(() => client.connection.close())
    await registerSearchAttributes(client)
    const own = options.bundles ? { HOLDFAST_WORKFLOW_BUNDLE: '' } : {}
    const env = Object.assign(own, ...Object.values(samples).map((sample) => sample.env)) as Record<string, string>
    const worker = await startWorkerProcess(dir, configFile, { roles: 'control,data,host:here', env })
    cleanup.add(() => worker.stop())
    return { configFile, client, samples, run: runOn(client), close: cleanup.end }
  } catch (error) {
    await cleanup.end()
    throw error
  }
}

let runs = 0
const runOn =
  (client: Client): Run =>
  (type, input) =>
    client.workflow.execute(type, { taskQueue: 'holdfast', workflowId: `${type}-${++runs}`, args: [input] }) as Promise<never>

interface Kept {
  hot: string
  encryption: object
  signing: object
}

/** The repository and the keys, made where they are not there yet. */
async function keptIn(home: string): Promise<Kept> {
  const file = join(home, 'kept.json')
  if (existsSync(file)) return JSON.parse(await readFile(file, 'utf8')) as Kept
  const [keys, hot] = [join(home, 'keys'), join(home, 'hot')]
  for (const folder of [keys, hot]) await mkdir(folder, { mode: 0o755 })
  const { recipient, file: identityFile } = await makeIdentity(keys)
  const { publicKey, privateKeyPem } = generateSigningKey()
  const privateKeyFile = join(keys, 'signing.pem')
  await writeFile(privateKeyFile, privateKeyPem, { mode: 0o600 })
  const kept: Kept = {
    hot,
    encryption: { recipients: [recipient], identityFile },
    signing: { keyId: 'test', privateKeyFile, publicKeys: { test: publicKey } },
  }
  await writeFile(file, JSON.stringify(kept))
  return kept
}

interface ConfigParts {
  dir: string
  kept: Kept
  address: string
  samples: Record<string, SampleSource>
  sets: object
}

async function writeConfig({ dir, kept, address, samples, sets }: ConfigParts): Promise<string> {
  const { hot, encryption, signing } = kept
  const scratchDir = join(dir, 'scratch')
  await mkdir(scratchDir, { mode: 0o755 })
  const sources = Object.entries(samples).map(([name, { driver, config }]) => [name, { driver, repository: 'hot', scratchDir, ...config }])
  const file = join(dir, 'holdfast.yaml')
  const config = {
    temporal: { address },
    repositories: { hot: { type: 'folder', path: hot } },
    encryption,
    signing,
    sources: Object.fromEntries(sources),
    sets,
  }
  await writeFile(file, stringify(config))
  return file
}
