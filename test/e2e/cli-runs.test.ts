/** What the command line says of runs and namespaces, against a Temporal server alone: no worker answers. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTemporal, type TemporalServer } from '../../scripts/toolbox/temporal.ts'
import { connectClient } from '../../src/temporal/connection.ts'
import { answer, holdfast, refusal } from '../support/cli.ts'

let server: TemporalServer
let client: Client
let dir: string

beforeAll(async () => {
  server = await startTemporal()
  client = await connectClient(server)
  dir = await mkdtemp(join(tmpdir(), 'holdfast-cli-runs-'))
  for (const namespace of ['default', 'defalt']) await writeFile(fileOf(namespace), configOf(namespace))
})
afterAll(async () => {
  await client?.connection.close()
  await server?.stop()
  if (dir) await rm(dir, { recursive: true, force: true })
})

const fileOf = (namespace: string) => join(dir, `${namespace}.yaml`)
const configOf = (namespace: string) => `
temporal: { address: "${server.address}", namespace: ${namespace} }
repositories: {}
encryption: { recipients: [age1x] }
signing: { keyId: a, publicKeys: { a: QQ== } }
sources: {}
`

describe('a namespace that Temporal does not have', () => {
  const made = 'temporal operator namespace create --namespace defalt'

  it.each([['status'], ['apply'], ['backup', 'orders']])('is named by %s, with the command that makes it', async (...words) => {
    expect(await refusal(['--config', fileOf('defalt'), ...words])).toMatchObject({
      code: 'CONFIG_INVALID',
      object: 'temporal.namespace',
      message: expect.stringContaining('"defalt"'),
      next: expect.stringContaining(made),
    })
  })

  it('ends a worker, which would serve nobody', async () => {
    const { code, stderr } = await holdfast(['--config', fileOf('defalt'), 'worker', '--roles', 'data'])
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^CONFIG_INVALID: .*"defalt"/)])
    expect(stderr).toContain(made)
  })

  it('is a finding of doctor', async () => {
    const { findings } = await answer<{ findings: { ok: boolean; detail: string; next: string }[] }>(
      ['--config', fileOf('defalt'), 'doctor', '--only', 'temporal'],
      3,
    )
    expect(findings.filter(({ ok }) => !ok)).toMatchObject([
      { detail: expect.stringContaining('temporal.namespace'), next: expect.stringContaining(made) },
    ])
  })
})

/** As the protocol numbers it. */
const FAIL_WORKFLOW = 5

describe('a run that ended ill', () => {
  /** Ends as a worker would end it: without one, so that what is shown comes from Temporal. */
  async function failed(workflowId: string): Promise<void> {
    const queue = { name: 'nobody' }
    await client.workflow.start('backup', { taskQueue: queue.name, workflowId, args: [{}] })
    const { workflowService } = client
    const poll = () => workflowService.pollWorkflowTaskQueue({ namespace: 'default', taskQueue: queue })
    const { taskToken } = await client.connection.withDeadline(Date.now() + 30_000, poll)
    const info = {
      type: 'STORE_DENIED',
      nonRetryable: true,
      details: { payloads: [client.options.loadedDataConverter.payloadConverter.toPayload({ object: 'hot', next: 'give the key' })] },
    }
    const failure = { message: 'the store refuses. Next: give the key', applicationFailureInfo: info }
    await workflowService.respondWorkflowTaskCompleted({
      namespace: 'default',
      taskToken,
      commands: [{ commandType: FAIL_WORKFLOW, failWorkflowExecutionCommandAttributes: { failure } }],
    })
  }

  it('says why and what to do next, also where no worker tells its steps', async () => {
    await failed('backup/failed')
    const args = ['--config', fileOf('default'), 'status', '--run', 'backup/failed']
    const { failure } = await answer<{ failure: object }>(args)
    expect(failure).toMatchObject({ code: 'STORE_DENIED', message: 'the store refuses', next: 'give the key', object: 'hot' })
    const { stdout } = await holdfast(args)
    expect(stdout).toMatch(/^backup\/failed: FAILED.*\nSTORE_DENIED: the store refuses\nnext: give the key\n/)
  })

  it('by a person says so, with the reason that was given', async () => {
    const run = await client.workflow.start('backup', { taskQueue: 'nobody', workflowId: 'backup/ended', args: [{}] })
    await run.terminate('not needed')
    const { failure } = await answer<{ failure: object }>(['--config', fileOf('default'), 'status', '--run', 'backup/ended'])
    expect(failure).toMatchObject({ code: 'CANCELLED', message: expect.stringContaining('not needed') })
  })
})
