/** When a backup was taken that says so by its name, in words of its own, or only by the time of its file. */

export interface Clues {
  /** Of the file or folder. */
  name: string
  /** Words of the backup itself, like `2026-01-15 12:00:00`. */
  recorded?: string | undefined
  /** Of the last change of the file. */
  modified: Date
}

export interface TakenAt {
  at: Date
  /** What is not sure of it. */
  warning?: string
}

const DAY_MS = 24 * 3600 * 1000
/** The farthest that the day of a place is from the day in UTC. */
const ZONE_MS = 14 * 3600 * 1000

const MOMENT = /(?<!\d)(\d{4})-?(\d{2})-?(\d{2})[T_. -]?(\d{2})[:-]?(\d{2})[:-]?(\d{2})(Z?)(?!\d)/
const DAY = /(?<!\d)(\d{4})-?(\d{2})-?(\d{2})(?!\d)/

/** Undefined where all that there is lies in the future: nobody could say where it belongs among the others. */
export function takenAt({ name, recorded, modified }: Clues, now = new Date()): TakenAt | undefined {
  const found = [momentIn(name, 'its name'), momentIn(recorded ?? '', 'the archive'), dayIn(name, modified), lastChange(modified)]
  return found.find((one) => one !== undefined && one.at <= now)
}

function momentIn(text: string, where: string): TakenAt | undefined {
  const [, year, month, day, hour, minute, second, zone] = MOMENT.exec(text) ?? []
  const at = dateOf(`${year}-${month}-${day}`, `${hour}:${minute}:${second}`)
  if (!at) return undefined
  return zone ? { at } : { at, warning: `its time is from ${where}, which names no zone: it was read as UTC` }
}

function dayIn(name: string, modified: Date): TakenAt | undefined {
  const [, year, month, day] = DAY.exec(name) ?? []
  const at = dateOf(`${year}-${month}-${day}`, '00:00:00')
  if (!at) return undefined
  const sinceThen = modified.getTime() - at.getTime()
  if (sinceThen >= -ZONE_MS && sinceThen < DAY_MS + ZONE_MS) return lastChange(modified)
  return { at, warning: 'its name has a day and no time: it was read as the beginning of that day in UTC' }
}

function lastChange(modified: Date): TakenAt {
  return { at: modified, warning: 'its time is that of the last change of its file' }
}

/** Undefined for what is no date, like the 31st of February. */
function dateOf(day: string, time: string): Date | undefined {
  const at = new Date(`${day}T${time}Z`)
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(day) && at.getUTCFullYear() >= 1990 ? at : undefined
}
