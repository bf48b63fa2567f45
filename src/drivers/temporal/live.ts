/** A restore into the live namespace: what can be made again, and everything that refuses it. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { requireConfirmed } from '../common/confirm.ts'
import type { DriverWiring, Filling, LiveRestore, RestoreChoice, Swapped } from '../driver.ts'
import type { TemporalSourceConfig } from './config.ts'
import { type Place, type Session, withTemporal } from '../../temporal/namespace-session.ts'
import { fill } from './fill.ts'
import { findNamespace } from './namespace.ts'
import { refuseOwn } from './own.ts'
import { restoreScratch } from './restore.ts'
import { destroyScratch } from './scratch.ts'
import { readSettings, wantedOf } from './recreate.ts'
import { requireFree } from './there.ts'
import { verify } from './verify.ts'

type Wiring = Pick<DriverWiring, 'secret' | 'orchestrator'>

export function createLive(config: TemporalSourceConfig, place: Place, wiring: Wiring): LiveRestore {
  const folderOf = (manifest: Manifest) => join(config.scratchDir ?? tmpdir(), `holdfast-restore-${manifest.source}-${manifest.id}`)
  return {
    fingerprint: () => withTemporal(place, undefined, fingerprintOf),
    check: (manifest, confirm, choice = {}, looking) =>
      withTemporal(place, looking?.context.signal, async (session) => {
        const wanted = wantedOf(manifest, choice)
        await refuseOwn(session, wiring)
        await requireNamespace(session, manifest, confirm)
        if (looking) await requireFree(session, manifest, await readSettings(manifest, looking.source, wanted), choice)
      }),
    async restoreAside(context, manifest, source, { dir, choice } = { dir: folderOf(manifest), choice: {} }) {
      try {
        const { mode: _, ...parts } = choice
        const { target, bytes } = await restoreScratch(config, wiring, context, manifest, source, { dir, choice: parts })
        const red = (await verify(config, wiring, context, manifest, target, { depth: 'full', assertions: [] })).filter(({ ok }) => !ok)
        if (red.length === 0) return { database: place.namespace, bytes }
        const found = red.slice(0, 5).map(({ name, expected, actual }) => `${name}: expected ${expected}, found ${actual}`)
        throw new HoldfastError('VERIFY_FAILED', `what was restored is not what the manifest says: ${found.join('; ')}`, {
          object: `${manifest.source}/${manifest.id}`,
        })
      } finally {
        // The live one is filled from the repository again: what was compared is not needed any more.
        await destroyScratch(config, wiring, dir)
      }
    },
    async swap(manifest, confirm, _oid, filling): Promise<Swapped> {
      if (!filling)
        throw new HoldfastError('UNEXPECTED', 'a namespace is restored from the repository, and none was given', { object: manifest.id })
      return withTemporal(place, filling.context.signal, (session) => bringIn({ config, session, wiring, manifest, confirm, filling }))
    },
    removeAside: (manifest, { dir } = { dir: folderOf(manifest), choice: {} }) => destroyScratch(config, wiring, dir),
  }
}

/** `<cluster id>/<namespace id>`: the address is only a way there. `-` where there is no such namespace yet. */
export async function fingerprintOf(session: Session): Promise<string> {
  const { clusterId } = await session.ask(({ workflowService }) => workflowService.getClusterInfo({}))
  return `${clusterId}/${(await findNamespace(session))?.namespaceInfo.id ?? '-'}`
}

async function requireNamespace(session: Session, manifest: Manifest, confirm: string): Promise<void> {
  const target = `the namespace ${session.namespace} at ${session.address} has`
  const meaning = 'this is the namespace to restore into'
  requireConfirmed(manifest, confirm, { fingerprint: await fingerprintOf(session), target, meaning })
}

interface Bringing {
  config: TemporalSourceConfig
  session: Session
  wiring: Wiring
  manifest: Manifest
  confirm: string
  filling: Filling
}

/** Safe to repeat: what an earlier try made is known by its note, or by the id of its request. */
async function bringIn({ session, wiring, manifest, confirm, filling }: Bringing): Promise<Swapped> {
  const { choice, source } = filling
  const wanted = wantedOf(manifest, choice)
  await refuseOwn(session, wiring)
  // What was confirmed as absent may be there by an earlier try: then nothing is in it that is not of this point.
  const made = confirm.endsWith('/-') && (await fingerprintOf(session)).startsWith(confirm.slice(0, -1))
  if (!made) await requireNamespace(session, manifest, confirm)
  const settings = await readSettings(manifest, source, wanted)
  const chosen: RestoreChoice = made ? { ...choice, mode: 'empty' } : choice
  await requireFree(session, manifest, settings, chosen)
  return fill({ session, manifest, settings, wanted, filling: { ...filling, choice: chosen } })
}
