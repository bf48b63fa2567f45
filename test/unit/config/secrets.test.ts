import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isLiteral, resolveSecret } from '../../../src/config/secrets.ts'
import { redact } from '../../../src/observability/redaction.ts'

const env = (name: string): string => `$\{env:${name}}`
const file = (path: string): string => `$\{file:${path}}`

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'holdfast-secrets-'))
  writeFileSync(join(dir, 'dsn'), 'host=db password=of-the-file\n')
  writeFileSync(join(dir, 'empty'), '\n')
  process.env.HOLDFAST_TEST_SECRET = 'of-the-environment'
})
afterAll(() => {
  rmSync(dir, { recursive: true })
  delete process.env.HOLDFAST_TEST_SECRET
})

describe('a secret', () => {
  it('comes from the environment or from a file, without the newline at its end', async () => {
    expect(await resolveSecret(env('HOLDFAST_TEST_SECRET'))).toBe('of-the-environment')
    expect(await resolveSecret(file(join(dir, 'dsn')))).toBe('host=db password=of-the-file')
  })

  it('may be part of a value, and a value without a reference stands for itself', async () => {
    expect(await resolveSecret(`postgres://a:${env('HOLDFAST_TEST_SECRET')}@db/orders`)).toBe('postgres://a:of-the-environment@db/orders')
    expect(await resolveSecret('dbname=orders')).toBe('dbname=orders')
    expect([isLiteral('dbname=orders'), isLiteral(env('A')), isLiteral(`x ${file('/a')}`)]).toEqual([true, false, false])
  })

  it.each([
    ['an unset variable', env('HOLDFAST_NOT_SET'), 'no such environment variable'],
    ['a file that is not there', file('/nowhere/secret'), 'no such file'],
    ['another kind of reference', '$' + '{vault:a}', 'no reference'],
    ['an unknown form', '$' + '{NAME}', 'no reference'],
    ['a reference without its end', '$' + '{env:NAME', 'closing brace'],
  ])('that cannot be had is named by its reference: %s', async (_, ref, why) => {
    await expect(resolveSecret(ref)).rejects.toMatchObject({ code: 'SECRET_MISSING', object: ref, message: expect.stringContaining(why) })
  })

  it('that is empty or unreadable is missing, and the error shows no other value', async () => {
    await expect(resolveSecret(file(join(dir, 'empty')))).rejects.toMatchObject({
      code: 'SECRET_MISSING',
      message: expect.stringContaining('empty'),
    })
    await expect(resolveSecret(file(dir))).rejects.toMatchObject({ code: 'SECRET_MISSING', message: expect.stringContaining('EISDIR') })
    chmodSync(join(dir, 'dsn'), 0o600)
    const failure = await resolveSecret(`${env('HOLDFAST_TEST_SECRET')} ${env('HOLDFAST_NOT_SET')}`).catch((error: Error) => error)
    expect(JSON.stringify([failure, String(failure)])).not.toContain('of-the-environment')
  })

  it('is hidden from the logs once it is resolved', async () => {
    process.env.HOLDFAST_TEST_OTHER = 'resolved a moment ago'
    expect(redact('resolved a moment ago')).toBe('resolved a moment ago')
    await resolveSecret(env('HOLDFAST_TEST_OTHER'))
    expect(redact('it was resolved a moment ago.')).toBe('it was [hidden].')
    await resolveSecret('dbname=orders password=written-down')
    expect(redact('with written-down')).toBe('with [hidden]')
    delete process.env.HOLDFAST_TEST_OTHER
  })
})
