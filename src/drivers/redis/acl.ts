/** The users of a server, which no RDB holds. Passwords are there as hashes only, as the server itself shows them. */
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Client } from './connect.ts'

export const ACL_PART = 'acl'

export async function usersOf(client: Client): Promise<string> {
  const lines = (await client.call('ACL', 'LIST')) as string[]
  return `${[...lines].sort().join('\n')}\n`
}

/** Makes each user what the text says; others stay. May be repeated. */
export async function setUsers(client: Client, text: string): Promise<string[]> {
  const users = text.trimEnd().split('\n').map(rulesOf)
  for (const { name, rules } of users) {
    await client.call('ACL', 'SETUSER', name, 'reset', ...rules).catch((error: unknown) => {
      throw new HoldfastError('PROCESS_FAILED', `the user ${name} was not set: ${messageOf(error)}`, { object: name })
    })
  }
  return users.map(({ name }) => name)
}

/** `user <name> <rule> …`, where a rule may be a selector: words in brackets. */
function rulesOf(line: string): { name: string; rules: string[] } {
  const [, name, rest] = /^user (\S+) (.*)$/.exec(line) ?? []
  if (name === undefined || rest === undefined)
    throw new HoldfastError('INTEGRITY', 'the part acl is not a list of users', { object: ACL_PART })
  return { name, rules: rest.match(/\([^)]*\)|\S+/g) ?? [] }
}
