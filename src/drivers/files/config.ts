/** What a source of this driver is configured with. */
import { z } from 'zod'
import { assertionName, everySource, schedulesOf, verifyWith } from '../../config/schema/every-source.ts'
import { duration } from '../../config/schema/values.ts'

const globs = z.array(z.string().min(1).regex(/^[^!]/, 'a pattern that begins with "!" is written without it in the opposite list'))

/**
 * Names that say what is in a file. Those of keys are whole names and not `id_*`: a program of that name would be left out
 * of every backup, and a key under another name is found by its content.
 */
export const SECRET_NAMES = [
  '.env',
  '.env.!(example|sample|template|dist)',
  '*.key',
  '*.pem',
  '*.p12',
  '*.pfx',
  '*.jks',
  '*.keystore',
  '*.kdbx',
  '*.ppk',
  'id_{rsa,dsa,ecdsa,ecdsa_sk,ed25519,ed25519_sk}',
  'secret{s,}.{yaml,yml,json,toml,env}',
  '.netrc',
  '.pgpass',
  '.htpasswd',
  '.vault-token',
  '**/.aws/credentials',
  '**/.docker/config.json',
]

export const filesSource = z.strictObject({
  driver: z.literal('files'),
  ...everySource,
  schedules: schedulesOf('scheduled'),
  verify: verifyWith(
    z.union([
      z.strictObject({
        name: assertionName,
        path: z.string().min(1).describe('of a file or folder of the restored tree'),
        exists: z.boolean().describe('whether it has to be there'),
      }),
      z.strictObject({
        name: assertionName,
        run: z.array(z.string()).min(1).describe('a program and its arguments, started in the restored folder; it holds where it exits 0'),
      }),
    ]),
  ),
  root: z.string().regex(/^\//, 'a folder is given by its whole path, like /etc/myapp').describe('the folder, by its whole path'),
  include: globs
    .min(1)
    .optional()
    .describe(
      'only these: a name at any depth, or with a slash a path from the root, like /holdfast.yaml or infra/*.yml; a folder with all in it',
    ),
  exclude: globs.default([]).describe('without these'),
  maxAge: duration.optional().describe('only files modified since, as of a folder of logs'),
  minAge: duration.optional().describe('only files not modified since, as logs that are no longer written'),
  secrets: z
    .strictObject({
      exclude: globs.default(SECRET_NAMES).describe('names of files that hold secrets: left out'),
      detect: z
        .boolean()
        .default(true)
        .describe('look into each file for private keys and tokens; one that holds any is left out, with a warning'),
      allow: globs.default([]).describe('stored all the same: files, or folders with all in them'),
    })
    .prefault({}),
  git: z
    .strictObject({
      commit: z.boolean().default(false).describe('commit what changed below the root before each backup, but for secrets'),
      push: z.string().min(1).optional().describe('the remote that each commit is pushed to'),
      message: z.string().min(1).default('Backup {id}').describe('of the commit; {id} is the id of the recovery point'),
    })
    .prefault({})
    .refine(({ commit, push }) => commit || push === undefined, { error: 'push needs commit: true', path: ['push'] }),
  gpg: z
    .strictObject({
      recipients: z.array(z.string().min(1)).min(1).describe('keys of the keyring, by fingerprint or address'),
      home: z.string().optional().describe('folder of the keyring, as GNUPGHOME'),
    })
    .optional()
    .describe('encrypted by GPG too, inside of what age encrypts; proofs and restores need the secret key on the worker'),
})
export type FilesSourceConfig = z.infer<typeof filesSource>
