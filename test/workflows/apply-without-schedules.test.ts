/** The hour after a total loss: a new namespace gets what runs need, and nothing that starts them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, Connection, ScheduleNotFoundError } from '@temporalio/client'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTemporal, type TemporalServer } from '../../scripts/toolbox/temporal.ts'
import { missingAttributes } from '../../src/cli/attributes.ts'
import { EXIT } from '../../src/core/errors.ts'
import { holdfast as program } from '../unit/cli/support.ts'

let server: TemporalServer
let client: Client
let dir: string
beforeAll(async () => {
  server = await startTemporal()
  client = new Client({ connection: await Connection.connect({ address: server.address }) })
  dir = await mkdtemp(join(tmpdir(), 'holdfast-apply-'))
})
afterAll(async () => {
  await client?.connection.close()
  await server?.stop()
  await rm(dir, { recursive: true, force: true })
})

const ID = 'holdfast/orders/logical'
const ask = async (...words: string[]) => {
  const { code, stdout } = await program('--config', join(dir, 'holdfast.yaml'), '--json', 'apply', ...words)
  return { code, ...(JSON.parse(stdout) as { searchAttributes: string[]; create: string[]; update: string[]; delete: string[] }) }
}
async function configure(schedules: string): Promise<void> {
  await writeFile(
    join(dir, 'holdfast.yaml'),
    `temporal: { address: "${server.address}" }
repositories: { main: { type: folder, path: ${dir} } }
encryption: { check: false, recipients: [age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq] }
signing: { keyId: ops, publicKeys: { ops: 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= } }
sources: { orders: { driver: postgres-logical, connection: "host=127.0.0.1", repository: main, schedules: ${schedules} } }
`,
  )
}

it('apply --no-schedules makes the search attributes, and touches no schedule, neither one that is wanted nor one that is not', async () => {
  await configure('{ logical: { calendar: "daily 03:30" } }')
  const { code, searchAttributes, create } = await ask('--no-schedules')
  expect([code, create, await missingAttributes(client)]).toEqual([EXIT.ok, [], []])
  expect(searchAttributes).toContain('HoldfastSource')
  const schedule = client.schedule.getHandle(ID)
  await expect(schedule.describe()).rejects.toThrow(ScheduleNotFoundError)

  expect(await ask()).toMatchObject({ code: EXIT.ok, create: [ID], searchAttributes: [] })
  await configure('{}')
  expect(await ask('--no-schedules')).toMatchObject({ code: EXIT.ok, update: [], delete: [] })
  expect((await schedule.describe()).scheduleId).toBe(ID)
})

it('apply says how long points are kept where nobody has said it', async () => {
  await configure('{}')
  const said = await program('--config', join(dir, 'holdfast.yaml'), 'apply', '--dry-run')
  expect(said.stdout).toContain('keeps     points of orders by default: retention.keepLast: 7\n')
})
