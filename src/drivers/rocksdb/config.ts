/** What a source of this driver is configured with. */
import { z } from 'zod'
import { assertionName, everySource, schedulesOf, verifyWith } from '../../config/schema/every-source.ts'
import { retention, usualRetention } from '../../config/schema/retention.ts'
import { command, duration, taskHost } from '../../config/schema/values.ts'

const get = z.strictObject({
  name: assertionName,
  get: z.string().describe('a key, as text or as 0x and hexadecimal digits'),
  equals: z.string().describe('its value, in the same way'),
  columnFamily: z.string().default('default'),
})
const ask = z.strictObject({
  name: assertionName,
  run: command.describe('a program that ends with 0 where all is well; {path} is a copy that it may write to'),
})

export const rocksdbSource = z.strictObject({
  driver: z.literal('rocksdb'),
  ...everySource,
  host: taskHost,
  path: z
    .string()
    .regex(/^\/.*[^/]$/, 'a full path, like /srv/meridian/data')
    .describe('the folder of the database'),
  schedules: schedulesOf('scheduled', 'incremental'),
  verify: verifyWith(z.union([get, ask])),
  retention: retention.prefault(usualRetention('rocksdb')),
  autoVerify: everySource.autoVerify.default(true),
  freshness: duration.default('48h').describe('status and stats complain where the newest point is older'),
  sizeLimit: everySource.sizeLimit.default('100GB'),
  checkpoint: z
    .strictObject({
      command: command.describe(
        'the call of the store itself; {path} and {checkpoint} become folders, of which the second is not there yet',
      ),
    })
    .optional()
    .describe('without it: ldb, which asks nothing of the program that has the store open'),
  checkpointDir: z
    .string()
    .startsWith('/')
    .optional()
    .describe('on the file system of the database, for hard links; <path>.checkpoints by default'),
  programs: z.strictObject({ ldb: z.string().default('ldb') }).prefault({}),
  storeVersion: z
    .strictObject({
      name: z
        .string()
        .regex(/^(?!ldb$)[a-z][a-z0-9_-]*$/, 'small letters, digits, "-" and "_", and not ldb')
        .default('store')
        .describe('under which it stands among the versions of a point'),
      command: command.describe('prints it in its first line, like [meridian, --version]; {path} is the folder of the database'),
    })
    .optional()
    .describe('of the program that owns the store, kept with each point; one that cannot be had is a warning'),
  openCheck: z
    .union([z.literal('ldb'), command])
    .default('ldb')
    .describe(
      'what opens a copy and reads it: ldb, or a program with {path} where the store has a comparator or merge operator of its own',
    ),
  columnFamilies: z.array(z.string()).default([]).describe('have to be there; all that there are are captured and read in any case'),
  service: z
    .strictObject({
      stop: command.describe('ends the program that has the store open, and does nothing where it is not running'),
      start: command.describe('starts it, and does nothing where it is running'),
    })
    .optional()
    .describe('called around the moment in which a restore replaces the store; without it the store has to be closed'),
})
export type RocksdbSourceConfig = z.infer<typeof rocksdbSource>
