/** Everything that a host of a pair serves on its own queue. */
import { createRebuildActivities } from './rebuild-site.ts'
import type { Services } from './services.ts'
import { createSwitchActivities } from './switch-site.ts'

export function createHostActivities(services: Services) {
  return { ...createSwitchActivities(services), ...createRebuildActivities(services) }
}
export type HostActivities = ReturnType<typeof createHostActivities>
