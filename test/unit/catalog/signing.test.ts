import { describe, expect, it } from 'vitest'
import { canonicalBytes } from '../../../src/catalog/canonical.ts'
import { createSigner, createVerifier, generateSigningKey, publicKeyOfPem } from '../../../src/catalog/signing.ts'
import { signer, SIGNING, stranger, verifier } from '../../support/catalog.ts'

const record = { type: 'thing', b: [1, 2.5, { z: null, a: 'ü "quoted" \n' }], a: true }

describe('a signature', () => {
  it('holds for the record that was signed, whatever the order of its keys', () => {
    const signed = signer.sign(record)
    expect(verifier.verify(signed, 'x')).toBe(SIGNING.keyId)
    expect(verifier.verify(JSON.parse(JSON.stringify(Object.fromEntries(Object.entries(signed).reverse()))), 'x')).toBe(SIGNING.keyId)
  })

  it('is the same each time, so that a repeated publication is the same bytes', () => {
    expect(canonicalBytes(signer.sign(record))).toEqual(canonicalBytes(signer.sign(signer.sign(record))))
  })

  it.each([
    ['a changed value', (r: Record<string, unknown>) => ({ ...r, a: false })],
    ['an added field', (r: Record<string, unknown>) => ({ ...r, extra: 1 })],
    ['a removed field', ({ a: _, ...r }: Record<string, unknown>) => r],
    ['no signature', ({ signature: _, ...r }: Record<string, unknown>) => r],
    ['the signature of another record', (r: Record<string, unknown>) => ({ ...r, signature: signer.sign({ ...record, a: 1 }).signature })],
    ['a key that the config does not name', () => createSigner({ ...SIGNING, keyId: 'other' }).sign(record)],
    ['the key of a stranger under our name', () => stranger.sign(record)],
    [
      'an empty signature',
      (r: Record<string, unknown>) => ({ ...r, signature: { keyId: SIGNING.keyId, algorithm: 'ed25519', value: '' } }),
    ],
  ])('does not hold with %s', (_, change) => {
    const signed = JSON.parse(JSON.stringify(signer.sign(record))) as Record<string, unknown>
    expect(() => verifier.verify(change(signed), 'some/key.json')).toThrow(
      expect.objectContaining({ code: 'SIGNATURE_INVALID', object: 'some/key.json' }),
    )
  })

  it('refuses keys of another kind, naming them', () => {
    expect(() => createSigner({ keyId: 'k', privateKeyPem: 'nonsense' })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', object: 'k' }),
    )
    expect(() => createVerifier({ k: 'c2hvcnQ=' })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', object: 'k' }))
  })

  it('tells the public key of a private one', () => {
    const made = generateSigningKey()
    expect(publicKeyOfPem(made.privateKeyPem, { keyId: 'k' })).toBe(made.publicKey)
    expect(Buffer.from(made.publicKey, 'base64')).toHaveLength(32)
  })
})
