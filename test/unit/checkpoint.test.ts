import { expect, it } from 'vitest'
import { withProgress } from '../../activities/context.ts'
import type { Artifact } from '../../src/core/records.ts'
import { inActivity } from '../support/activity.ts'

const artifact = (part: string): Artifact => ({
  key: `holdfast/v1/orders/x/data/${part}`,
  role: 'checkpoint',
  part,
  required: false,
  storedBytes: 1,
  blake3: '0'.repeat(64),
  compression: 'zstd',
  encryption: 'none',
})

it('what a try keeps goes with its heartbeats beside its progress, and the next try is given it and hands it on', async () => {
  const beats: unknown[] = []
  const heartbeat = (details: unknown) => beats.push(details)
  await inActivity(
    () =>
      withProgress(async (context) => {
        expect(context.checkpoint).toBeUndefined()
        context.onProgress({ phase: 'objects', parts: 7 })
        context.keep(artifact('first'))
      }),
    1,
    { heartbeat },
  )
  expect(beats.at(-1)).toEqual({ phase: 'objects', parts: 7, checkpoint: artifact('first') })

  const last = beats.at(-1)
  beats.length = 0
  await inActivity(() => withProgress(async ({ checkpoint }) => expect(checkpoint).toEqual(artifact('first'))), 2, {
    heartbeat,
    heartbeatDetails: last,
  })
  // It kept nothing itself.
  expect(beats.at(-1)).toMatchObject({ checkpoint: artifact('first') })
})

it('heartbeats of another kind are no checkpoint', async () => {
  const heartbeatDetails = { phase: 'objects', checkpoint: { key: 'no digest' } }
  await inActivity(() => withProgress(async ({ checkpoint }) => expect(checkpoint).toBeUndefined()), 2, { heartbeatDetails })
})
