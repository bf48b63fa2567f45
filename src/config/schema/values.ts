/** The small values that every part of holdfast.yaml shares. */
import { z } from 'zod'

export const name = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'a name is lower case letters, digits, "-" and "_"')
/** A value or a reference to one: `${env:NAME}` or `${file:/path}`, resolved in the worker at the last moment. */
export const secret = z.string().min(1).describe('a secret reference: ${env:NAME} or ${file:/path}')
/** Without it the AWS SDK looks where it always looks: environment, profile, instance role. */
export const awsKey = secret.optional().describe('a secret reference; without one, what the AWS SDK finds: environment, profile, role')
export const duration = z.string().regex(/^\d+(s|m|h|d)$/, 'a duration is a number and s, m, h or d, like 15m')
export const size = z.string().regex(/^\d+(B|kB|MB|GB|TB)$/, 'a size is a number and B, kB, MB, GB or TB, like 16MB')
export const command = z.array(z.string()).min(1).describe('a program and its arguments')
export const binDir = z
  .string()
  .default('/usr/lib/postgresql/15/bin')
  .describe('the programs of the PostgreSQL version that the server has')
export const osUser = z.string().optional().describe('the operating system user that PostgreSQL programs run as when the worker is root')
export const taskHost = name.describe('host-bound steps run on the task queue holdfast-host-<host>')
