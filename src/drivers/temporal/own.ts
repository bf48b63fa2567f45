/** The Temporal that runs Holdfast itself: no run on it restores over it. */
import { HoldfastError } from '../../core/errors.ts'
import { connectionSettings } from '../../temporal/connection.ts'
import type { DriverWiring } from '../driver.ts'
import { type Place, type Session, withTemporal } from '../../temporal/namespace-session.ts'
import { findNamespace } from './namespace.ts'

/**
 * By the id of the namespace, which is the same under every address and in every cluster that it is replicated to. A run
 * that restored over its own namespace would change what it stands on, half way.
 */
export async function refuseOwn(session: Session, { orchestrator }: Pick<DriverWiring, 'orchestrator'>): Promise<void> {
  const { address, namespace } = orchestrator
  const place: Place = { address, namespace, options: async () => connectionSettings(address) }
  const [own, live] = [await withTemporal(place, undefined, findNamespace), await findNamespace(session)]
  if (!live || own?.namespaceInfo.id !== live.namespaceInfo.id) return
  throw new HoldfastError('SOURCE_UNFIT', `${session.namespace} at ${session.address} is the namespace that runs this very restore`, {
    object: session.namespace,
    next: "restore it beside, and take over what is needed by hand; or run Holdfast from another namespace, and restore from there. Temporal's own database is a source of its own: see src/drivers/temporal/README.md",
  })
}
