/** Every assertion of a proof, on a scratch server that a restore filled. */
import { readFile } from 'node:fs/promises'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import type { DriverContext, Target, UserAssertion } from '../driver.ts'
import { compareStream } from './compare.ts'
import type { NatsSourceConfig } from './config.ts'
import { type JetStream, listStreams, streamInfo } from './jetstream.ts'
import { streamsIn } from './records.ts'
import { type Kept, keptFile } from './restore.ts'
import { startScratch, withScratch } from './server.ts'

export interface VerifyOptions {
  depth: 'restore' | 'full'
  assertions: readonly UserAssertion[]
}

export async function verify(
  config: NatsSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  target: Target,
  { depth, assertions }: VerifyOptions,
): Promise<Assertion[]> {
  const started = await engineStarts(config, context, target)
  if (!started.ok) return [started]
  return withScratch(target.dir, context.signal, async (js) => {
    const found = await contents(js, context, manifest, target, depth)
    const own: Assertion[] = []
    for (const assertion of assertions) own.push(await ask(js, context.signal, assertion))
    return [started, ...found, ...own]
  })
}

async function engineStarts(config: NatsSourceConfig, { signal }: DriverContext, { dir }: Target): Promise<Assertion> {
  const expected = 'answers'
  try {
    await startScratch(config.programs.server, dir, signal)
    return { name: 'engine', ok: true, expected, actual: expected }
  } catch (error) {
    if (signal.aborted) throw error
    return { name: 'engine', ok: false, expected, actual: messageOf(error) }
  }
}

/** Each stream that was restored: a choice of parts has the others nowhere. */
async function contents(
  js: JetStream,
  context: DriverContext,
  manifest: Manifest,
  { dir }: Target,
  depth: 'restore' | 'full',
): Promise<Assertion[]> {
  const assertions: Assertion[] = []
  const restored: string[] = []
  for (const [name, { folder }] of Object.entries(streamsIn(manifest))) {
    const kept = await keptOf(dir, folder)
    if (!kept) continue
    restored.push(name)
    context.onProgress({ phase: `compare ${name}` })
    assertions.push(...(await compareStream({ js, context, inventory: manifest.inventory ?? {}, name, ...kept, depth, where: 'scratch' })))
  }
  const others = (await listStreams(js)).map((info) => info.config.name).filter((name) => !restored.includes(name))
  const none = 'none'
  return [...assertions, { name: 'no other streams', ok: others.length === 0, expected: none, actual: others.join(', ') || none }]
}

async function keptOf(dir: string, folder: string): Promise<Kept | undefined> {
  const text = await readFile(keptFile(dir, folder), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : (JSON.parse(text) as Kept)
}

/** One question of the user's own: a failure to ask it is its answer. */
async function ask(js: JetStream, signal: AbortSignal, { name, ...question }: UserAssertion): Promise<Assertion> {
  const {
    stream,
    subject = '>',
    atLeast = 1,
    contains,
  } = question as { stream: string; subject?: string; atLeast?: number; contains?: string }
  const expected = `${atLeast} messages or more${contains === undefined ? '' : `, the newest with ${JSON.stringify(contains)}`}`
  try {
    const count = await countOf(js, stream, subject)
    if (contains === undefined || count === 0)
      return { name, ok: count >= atLeast && contains === undefined, expected, actual: `${count} messages` }
    const newest = await js.ask<{ message: { data?: string } }>(`STREAM.MSG.GET.${stream}`, { last_by_subj: subject })
    const text = Buffer.from(newest.message.data ?? '', 'base64').toString('utf8')
    const ok = count >= atLeast && text.includes(contains)
    return { name, ok, expected, actual: `${count} messages, the newest ${JSON.stringify(text.slice(0, 200))}` }
  } catch (error) {
    if (signal.aborted || !(error instanceof HoldfastError)) throw error
    return { name, ok: false, expected, actual: error.message }
  }
}

async function countOf(js: JetStream, stream: string, subject: string): Promise<number> {
  let count = 0
  let seen = 0
  for (;;) {
    const { state } = await streamInfo(js, stream, { subjects_filter: subject, offset: seen })
    const page = Object.values(state.subjects ?? {})
    count += page.reduce((sum, messages) => sum + messages, 0)
    seen += page.length
    if (page.length === 0 || seen % 100_000 !== 0) return count
  }
}
