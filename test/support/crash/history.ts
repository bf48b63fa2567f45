/** The activities of a recorded run: what a crash can hit. */
import { readFileSync } from 'node:fs'

/** A history as `temporal workflow show -o json` prints it, or as `handle.fetchHistory()` gives it. */
export interface History {
  events?:
    | {
        activityTaskScheduledEventAttributes?: { activityId?: string | null; activityType?: { name?: string | null } | null } | null
        markerRecordedEventAttributes?: {
          markerName?: string | null
          details?: Record<string, { payloads?: { data?: unknown }[] | null }> | null
        } | null
      }[]
    | null
}

export interface ScheduledActivity {
  type: string
  id: string
  /** Local activities are known by their marker only. */
  local: boolean
  /** `type`, or `type#id` where the run has several of the type: what a crash plan names. */
  name: string
}

/** In the order in which they were scheduled, local ones in the order in which they ended. */
export function activitiesOf(history: History): ScheduledActivity[] {
  const found = (history.events ?? []).flatMap((event) => {
    const scheduled = event.activityTaskScheduledEventAttributes
    if (scheduled) return [{ type: scheduled.activityType?.name ?? '', id: scheduled.activityId ?? '', local: false }]
    const marker = event.markerRecordedEventAttributes
    if (marker?.markerName !== 'core_local_activity') return []
    const { activity_type: type, activity_id: id } = decode(marker.details?.data?.payloads?.[0]?.data)
    return [{ type: type ?? '', id: id ?? '', local: true }]
  })
  const alone = (type: string) => found.filter((other) => other.type === type).length === 1
  return found.map((activity) => ({ ...activity, name: alone(activity.type) ? activity.type : `${activity.type}#${activity.id}` }))
}

/** The same for a file. */
export function readHistory(file: string): History {
  return JSON.parse(readFileSync(file, 'utf8')) as History
}

/** Base64 in JSON, bytes from the server. */
function decode(data: unknown): { activity_type?: string; activity_id?: string } {
  const bytes = typeof data === 'string' ? Buffer.from(data, 'base64') : Buffer.from((data as Uint8Array | undefined) ?? [])
  return bytes.length ? (JSON.parse(bytes.toString()) as { activity_type?: string; activity_id?: string }) : {}
}
