/** Keys: every point opens for a person who was none of its readers, by one note each; and a look that changes nothing. */
import { readFile } from 'node:fs/promises'
import type { KeyCheck, RotationReport } from '../../../../activities/keys.ts'
import { ownEncrypted } from '../../../../src/catalog/rotated.ts'
import { messageOf } from '../../../../src/core/errors.ts'
import { openArtifact } from '../../../../src/pipeline/open-artifact.ts'
import { type Identity, makeIdentity } from '../../age.ts'
import { freshId, type Scenario } from '../scenario.ts'
import { common, idsOf, starting, type Subject, takePoint } from './points.ts'
import { reportOf } from './restores.ts'

export interface KeyRing {
  /** Where identities are made. */
  dir: string
  /** Puts one more into the file of the workers. */
  know(identity: string): Promise<void>
}

export const rotation = (subject: Subject, { dir, know }: KeyRing): Scenario => ({
  name: 'rotateKeys',
  lane: subject.lane,
  async prepare() {
    const { lane, source } = subject
    while ((await idsOf(subject)).length < 2) await takePoint(subject)
    const ids = await idsOf(subject)
    const next = await makeIdentity(dir, freshId('identity'))
    await know(await readFile(next.file, 'utf8'))
    await lane.reconfigure((settings) => {
      settings['encryption'].recipients = [next.recipient]
    })
    return {
      start: starting(lane, 'rotateKeys', { source }),
      async compare(crashed) {
        const report = reportOf<{ sources: RotationReport[] }>(crashed)?.sources[0]
        const told = report?.points === ids.length ? [] : [`the run says ${report?.points} points instead of ${ids.length}`]
        const closed = await Promise.all(ids.map((id) => closedFor(subject, id, next)))
        return [...told, ...closed.flat(), ...(await common(subject, crashed))]
      },
    }
  },
})

async function closedFor({ lane: { services }, source }: Subject, id: string, { file, recipient }: Identity): Promise<string[]> {
  const [store, catalog] = [await services.store('hot'), await services.catalog('hot')]
  const notes = (await catalog.keysOf(source, id)).filter(({ recipients }) => recipients.includes(recipient))
  const counted = notes.length === 1 ? [] : [`${id} has ${notes.length} notes for the new recipient`]
  const { manifest } = await catalog.readManifest(source, id)
  const opened = ownEncrypted(manifest).map((artifact) =>
    openArtifact(artifact, { store, identityFile: file, headersOf: catalog.headers() }).then(
      () => [],
      (error: unknown) => [`${artifact.key} does not open: ${messageOf(error)}`],
    ),
  )
  return [...counted, ...(await Promise.all(opened)).flat()]
}

export const keyCheck = (subject: Subject): Scenario => ({
  name: 'checkKeys',
  lane: subject.lane,
  async prepare() {
    const { lane, source } = subject
    if ((await idsOf(subject)).length === 0) await takePoint(subject)
    const [oldest] = await idsOf(subject)
    return {
      start: starting(lane, 'checkKeys', { source }),
      async compare(crashed) {
        const opened = reportOf<{ sources: KeyCheck[] }>(crashed)?.sources[0]?.point
        return [...(opened === oldest ? [] : [`it opened ${opened} instead of ${oldest}`]), ...(await common(subject, crashed))]
      },
    }
  },
})
