/** What a source of this driver is configured with. */
import { z } from 'zod'
import { assertionName, everySource, schedulesOf, verifyWith } from '../../config/schema/every-source.ts'
import { duration, secret } from '../../config/schema/values.ts'

const program = z
  .array(
    z.string().regex(/^(?![\s\S]*\$\{(?:env|file):)/, 'a secret is no argument, which every user of the machine may read: give it in env'),
  )
  .min(1)

export const commandSource = z.strictObject({
  driver: z.literal('command'),
  ...everySource,
  schedules: schedulesOf('scheduled'),
  verify: verifyWith(
    z.strictObject({
      name: assertionName,
      run: program.describe('a program and its arguments, told of the restored target like verify; it holds where it exits 0'),
    }),
  ),
  commands: z
    .strictObject({
      capture: program.describe('prints the contents on its standard output; stored only if it exits 0'),
      restore: program.describe(
        'reads them on its standard input, into HOLDFAST_DIR or, where HOLDFAST_TARGET is live, over the store itself',
      ),
      verify: program.describe('exits 0 where the restored target is sound; each line "ok name" or "not ok name: why" is an assertion'),
      check: program
        .optional()
        .describe(
          'exits 0 where a capture would succeed, 75 where it may later; lines "version name value" and "bytes number" are recorded',
        ),
      counts: program
        .optional()
        .describe('prints lines "name value": recorded at a capture, and compared with those of the restored target'),
      fingerprint: program
        .optional()
        .describe('prints one line that names the live store beyond doubt, whatever it holds; without it nothing is restored over it'),
      destroy: program.optional().describe('removes what restore made outside of HOLDFAST_DIR; may be called twice'),
    })
    .describe(
      'each a program and its arguments, told by its environment: HOLDFAST_SOURCE, HOLDFAST_POINT, HOLDFAST_TARGET, HOLDFAST_DIR, HOLDFAST_DEPTH',
    ),
  env: z
    .record(
      z.string().regex(/^(?!HOLDFAST_)[A-Za-z_][A-Za-z0-9_]*$/, 'a name of letters, digits and "_", and none that begins with HOLDFAST_'),
      secret,
    )
    .default({})
    .describe('added to the environment of all of them'),
  timeout: duration.default('6h').describe('of each of them'),
  osUser: z.string().optional().describe('the operating system user that they run as when the worker is root'),
})
export type CommandSourceConfig = z.infer<typeof commandSource>
