/** `nats stream restore <folder>` and `nats stream ls`, as natscli 0.3.0 does them, written from its behaviour and not from the driver. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'nats'

const [noun, verb, folder = ''] = process.argv.slice(2)
const { NATS_URL: servers = '127.0.0.1:4222', NATS_USER: token } = process.env
// The option is the name of a user, or a token where there is no password.
const nc = await connect({ servers, ...(token && { token }) })

async function restore(): Promise<void> {
  const { config, state } = JSON.parse(readFileSync(join(folder, 'backup.json'), 'utf8')) as { config: { name: string }; state: object }
  const snapshot = readFileSync(join(folder, 'stream.tar.s2'))
  const begun = await nc.request(`$JS.API.STREAM.RESTORE.${config.name}`, JSON.stringify({ config, state }), { timeout: 10_000 })
  const { deliver_subject: subject, error } = begun.json<{ deliver_subject: string; error?: { description: string } }>()
  if (error) throw new Error(error.description)
  for (let at = 0; at < snapshot.length; at += 65_536) {
    const { data } = await nc.request(subject, snapshot.subarray(at, at + 65_536), { timeout: 10_000 })
    if (data.length > 0) throw new Error(Buffer.from(data).toString())
  }
  const ended = (await nc.request(subject, '', { timeout: 60_000 })).json<{ error?: { description: string } }>()
  if (ended.error) throw new Error(ended.error.description)
  process.stdout.write(`Restored stream "${config.name}"\n`)
}

async function list(): Promise<void> {
  const streams = await (await nc.jetstreamManager()).streams.list().next()
  process.stdout.write(streams.map(({ config }) => `${config.name}\n`).join(''))
}

try {
  if (noun === 'stream' && verb === 'restore') await restore()
  else if (noun === 'stream' && verb === 'ls') await list()
  else throw new Error(`the stand-in has no ${noun} ${verb}`)
} catch (error) {
  process.stderr.write(`nats: error: ${(error as Error).message}\n`)
  process.exitCode = 1
} finally {
  await nc.close()
}
