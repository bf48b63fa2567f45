/** What a Vault keeps: one file, encrypted under a root key that is in memory only while the node is unsealed. */
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFile } from '../files.ts'
import type { Policy } from './policies.ts'

export interface Mount {
  type: string
  options: Record<string, string> | null
  description: string
}

/** All of it is in a snapshot, so that a node takes over the name, the tokens and the keys of what it is restored from. */
export interface Contents {
  clusterId: string
  clusterName: string
  mounts: Record<string, Mount>
  auth: Record<string, Mount>
  policies: Record<string, Policy>
  tokens: Record<string, string[]>
  /** By mount and path: the versions of a secret, null where one was deleted. */
  secrets: Record<string, Record<string, unknown[]>>
}

interface Stored {
  shares: number
  threshold: number
  box: string
}

/** Of the node, and not of what it stores: a restore leaves it. */
interface Raft {
  index: number
  term: number
  nodeId: string
}

const KEY_BYTES = 32

export class Barrier {
  readonly raft: Raft
  contents: Contents | undefined
  progress: string[] = []
  private key: Buffer | undefined
  private readonly files: { state: string; raft: string }

  constructor(dir: string) {
    this.files = { state: join(dir, 'raft', 'state.bin'), raft: join(dir, 'raft', 'raft.json') }
    this.raft = existsSync(this.files.raft)
      ? (JSON.parse(readFileSync(this.files.raft, 'utf8')) as Raft)
      : { index: 1, term: 1, nodeId: randomUUID() }
  }

  get initialized(): boolean {
    return existsSync(this.files.state)
  }

  get stored(): Stored | undefined {
    return this.initialized ? (JSON.parse(readFileSync(this.files.state, 'utf8')) as Stored) : undefined
  }

  /** The file as it is on the disk: what a snapshot has as state.bin. */
  get bytes(): Buffer {
    return readFileSync(this.files.state)
  }

  /** A share is the root key and a number, which is no secret sharing: enough are asked for all the same. */
  initialize(shares: number, threshold: number): { keys: string[]; rootToken: string } {
    const key = randomBytes(KEY_BYTES)
    const rootToken = `s.${randomBytes(12).toString('hex')}`
    const token: Mount = { type: 'token', options: null, description: 'token based credentials' }
    const contents: Contents = {
      clusterId: randomUUID(),
      clusterName: `vault-cluster-${randomBytes(4).toString('hex')}`,
      mounts: { 'sys/': { type: 'system', options: null, description: 'system endpoints' } },
      auth: { 'token/': token },
      policies: {},
      tokens: { [rootToken]: ['root'] },
      secrets: {},
    }
    this.write({ shares, threshold, box: seal(key, JSON.stringify(contents)) })
    const keys = Array.from({ length: shares }, (_, n) => Buffer.concat([key, Buffer.from([n + 1])]).toString('base64'))
    return { keys, rootToken }
  }

  /** Throws what Vault says of keys that do not fit, once enough were given. */
  unseal(share: string): void {
    const { threshold = 1, box = '' } = this.stored ?? {}
    if (!this.progress.includes(share)) this.progress.push(share)
    if (this.progress.length < threshold) return
    const keys = this.progress.map((one) => Buffer.from(one, 'base64').subarray(0, KEY_BYTES))
    this.progress = []
    const [key = Buffer.alloc(0)] = keys
    if (keys.some((one) => !one.equals(key))) throw new Error('cipher: message authentication failed')
    this.contents = JSON.parse(open(key, box)) as Contents
    this.key = key
    this.raft.term += 1
    this.saveRaft()
  }

  seal(): void {
    this.contents = undefined
    this.key = undefined
    this.progress = []
  }

  save(): void {
    const { stored } = this
    if (!stored || !this.key || !this.contents) throw new Error('Vault is sealed')
    this.write({ ...stored, box: seal(this.key, JSON.stringify(this.contents)) })
  }

  sealText(text: string): string {
    if (!this.key) throw new Error('Vault is sealed')
    return seal(this.key, text)
  }

  /** Whether this node's own keys open it. */
  opens(box: string): boolean {
    try {
      return this.key !== undefined && open(this.key, box) !== ''
    } catch {
      return false
    }
  }

  /** In the place of everything; the node stays unsealed where its keys fit. */
  replace(state: Buffer, index: number, stayOpen: boolean): void {
    const stored = JSON.parse(state.toString('utf8')) as Stored
    const { key } = this
    this.raft.index = Math.max(this.raft.index, index)
    this.write(stored)
    if (stayOpen && key) this.contents = JSON.parse(open(key, stored.box)) as Contents
    else this.seal()
  }

  private write(stored: Stored): void {
    this.raft.index += 1
    this.saveRaft()
    replaceFile(this.files.state, JSON.stringify(stored))
  }

  private saveRaft(): void {
    replaceFile(this.files.raft, JSON.stringify(this.raft))
  }
}

function seal(key: Buffer, text: string): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64')
}

function open(key: Buffer, box: string): string {
  const bytes = Buffer.from(box, 'base64')
  if (key.length !== KEY_BYTES) throw new Error('cipher: message authentication failed')
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
  decipher.setAuthTag(bytes.subarray(-16))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString('utf8')
  } catch {
    throw new Error('cipher: message authentication failed')
  }
}
