/** Where a restore over a bucket writes: the bucket itself, another one of the same store, or below a prefix of either. */
import { HoldfastError } from '../../core/errors.ts'
import type { RestoreChoice } from '../driver.ts'
import type { Origin } from './client.ts'
import type { Entry } from './entries.ts'

export interface Destination {
  origin: Origin
  /** Before every key. */
  below: string
  mode: NonNullable<RestoreChoice['mode']>
}

/** What S3 takes. */
const LONGEST_KEY = 1024

/** `bucket` or `bucket/prefix/`: no bucket has a "/" in its name. */
export function destinationOf(origin: Origin, { into, mode, parts }: RestoreChoice): Destination {
  // Chosen objects go beside what is there; all of them in the place of it. Elsewhere no safety backup has what they would replace.
  const usual = into !== undefined ? 'empty' : parts ? 'upsert' : 'replace'
  const [name = '', ...rest] = (into ?? origin.config.bucket).split('/')
  if (name.length < 3)
    throw new HoldfastError('INPUT_INVALID', `${JSON.stringify(into)} names no bucket`, {
      object: 'into',
      next: `give a bucket, or a bucket and a prefix: ${origin.config.bucket}/restored/`,
    })
  return {
    origin: { ...origin, config: { ...origin.config, bucket: name } },
    below: rest.join('/'),
    mode: mode ?? usual,
  }
}

/** What a confirmation names: elsewhere too, unless nothing can be replaced there. */
export function targetOf(origin: Origin, choice: RestoreChoice): Pick<Destination, 'origin' | 'below'> {
  const { origin: there, below, mode } = destinationOf(origin, choice)
  return choice.into === undefined || mode === 'empty' ? { origin, below: '' } : { origin: there, below }
}

export function requireShort({ below }: Destination, { key }: Pick<Entry, 'key'>): void {
  if (Buffer.byteLength(below) + Buffer.byteLength(key) <= LONGEST_KEY) return
  throw new HoldfastError('INPUT_INVALID', `${JSON.stringify(key)} has more than ${LONGEST_KEY} bytes below ${JSON.stringify(below)}`, {
    object: key,
    next: 'choose a shorter prefix for into, or another bucket',
  })
}
