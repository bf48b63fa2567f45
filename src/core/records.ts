/**
 * The records of a repository, as schemas: what is published beside each recovery point. FORMAT.md in src/catalog is
 * their specification for people. Unknown fields are kept, so that an older Holdfast reads a newer record.
 */
import { z } from 'zod'
import { POINT_KINDS } from './ids.ts'

const bytes = z.number().int().nonnegative()
const when = z.iso.datetime({ offset: true })
const hex = z.string().regex(/^[0-9a-f]{64}$/)

export const signatureSchema = z.object({ keyId: z.string(), algorithm: z.literal('ed25519'), value: z.string() })
export type Signature = z.infer<typeof signatureSchema>

export const artifactSchema = z.looseObject({
  /** Full key of the object in the repository. */
  key: z.string(),
  /** What it is to its driver: `database`, `globals`, `schema`, `directory-entry`, `passphrase`, … */
  role: z.string(),
  /** Name of the part inside the point, unique there. */
  part: z.string(),
  required: z.boolean(),
  plainBytes: bytes.optional(),
  storedBytes: bytes,
  /** BLAKE3 of what is stored, hex. */
  blake3: hex,
  /** BLAKE3 of the content, where it passes through Holdfast. */
  contentBlake3: hex.optional(),
  /** What the store itself keeps for the whole object. */
  storeChecksum: z.object({ algorithm: z.enum(['crc32']), value: z.string() }).optional(),
  compression: z.enum(['zstd', 'none']),
  encryption: z.enum(['age', 'none']),
})
export type Artifact = z.infer<typeof artifactSchema>

/** What a relation held at the consistency point. */
export const contentSchema = z.object({
  /** `schema.table` to row count and order-independent digest. */
  tables: z.record(z.string(), z.object({ rows: z.number().int(), digest: z.string() })),
  /** The value that the next nextval gives; `until` where it moved while a dump read it, outside of every snapshot. */
  sequences: z.record(z.string(), z.object({ value: z.string(), increment: z.string(), until: z.string().optional() })),
  largeObjects: z.object({ count: z.number().int(), digest: z.string() }),
  /** SHA-256 of the normalised DDL. */
  schema: z.string(),
})
export type Content = z.infer<typeof contentSchema>

/**
 * What is in a point, by name, as facts that a proof compares one by one: `{ "stream ORDERS": { messages: 10, digest: "…" } }`.
 * Small: what has millions of entries keeps its list as an artifact and a digest of it here.
 */
export const inventorySchema = z.record(z.string(), z.record(z.string(), z.union([z.string(), z.number()])))
export type Inventory = z.infer<typeof inventorySchema>

/** A physical point lives in a pgBackRest repository; the manifest names where and what must be there. */
export const referenceSchema = z.looseObject({
  engine: z.enum(['pgbackrest']),
  stanza: z.string(),
  repoPath: z.string(),
  label: z.string(),
  type: z.enum(['full', 'incremental', 'differential']),
  walStart: z.string(),
  walStop: z.string(),
  /** Labels that this one needs, oldest first. */
  needs: z.array(z.string()),
  /** BLAKE3 of the engine's own manifest of this set. */
  manifestDigest: hex,
})
export type Reference = z.infer<typeof referenceSchema>

export const manifestSchema = z.looseObject({
  format: z.literal('holdfast/v1'),
  type: z.literal('manifest'),
  source: z.string(),
  id: z.string(),
  driver: z.string(),
  kind: z.enum(POINT_KINDS),
  createdAt: when,
  completedAt: when,
  description: z.string().optional(),
  schemaVersion: z.union([z.string(), z.number()]).optional(),
  tags: z.array(z.string()),
  holdfastVersion: z.string(),
  /** Plain bytes where known, else what the engine says. */
  sizeBytes: bytes,
  storedBytes: bytes,
  fileCount: z.number().int(),
  artifacts: z.array(artifactSchema),
  reference: referenceSchema.optional(),
  consistency: z.looseObject({
    time: when,
    lsn: z.string().optional(),
    timeline: z.number().int().optional(),
    systemId: z.string().optional(),
    restorePoint: z.string().optional(),
    snapshot: z.string().optional(),
  }),
  content: contentSchema.optional(),
  inventory: inventorySchema.optional(),
  versions: z.record(z.string(), z.string()),
  encryption: z.object({ recipients: z.array(z.string()) }),
  parents: z.array(z.string()),
  warnings: z.array(z.string()),
  /** Of a backup that was taken without Holdfast: where it was found, and what tells it from every other. */
  adopted: z.object({ from: z.string(), origin: z.string() }).optional(),
  workflowId: z.string(),
  runId: z.string(),
  signature: signatureSchema.optional(),
})
export type Manifest = z.infer<typeof manifestSchema>

export const PROOF_DEPTHS = ['list', 'read', 'restore', 'full'] as const
export type ProofDepth = (typeof PROOF_DEPTHS)[number]

export const assertionSchema = z.object({ name: z.string(), ok: z.boolean(), expected: z.string(), actual: z.string() })
export type Assertion = z.infer<typeof assertionSchema>

export const proofSchema = z.looseObject({
  format: z.literal('holdfast/v1'),
  type: z.literal('proof'),
  source: z.string(),
  id: z.string(),
  depth: z.enum(PROOF_DEPTHS),
  ok: z.boolean(),
  startedAt: when,
  completedAt: when,
  seconds: z.number(),
  where: z.string(),
  /** BLAKE3 of the manifest that was proved. */
  manifestDigest: hex,
  assertions: z.array(assertionSchema),
  workflowId: z.string(),
  runId: z.string(),
  signature: signatureSchema.optional(),
})
export type Proof = z.infer<typeof proofSchema>

export const holdSchema = z.looseObject({
  format: z.literal('holdfast/v1'),
  type: z.literal('hold'),
  source: z.string(),
  id: z.string(),
  /** False releases the holds before it. */
  held: z.boolean(),
  actor: z.string(),
  reason: z.string(),
  at: when,
  signature: signatureSchema.optional(),
})
export type Hold = z.infer<typeof holdSchema>

/** For whom the headers of a note are. */
export const keyNoteSchema = z.looseObject({
  format: z.literal('holdfast/v1'),
  type: z.literal('keys'),
  source: z.string(),
  id: z.string(),
  at: when,
  /** age recipients; each of them opens every artifact below the point's own `data/` by these headers. */
  recipients: z.array(z.string()).min(1),
  headers: z.array(z.object({ key: z.string(), header: z.string() })),
  workflowId: z.string(),
  runId: z.string(),
  signature: signatureSchema.optional(),
})
export type KeyNote = z.infer<typeof keyNoteSchema>

export const evidenceSchema = z.looseObject({
  format: z.literal('holdfast/v1'),
  type: z.literal('evidence'),
  writer: z.string(),
  number: z.number().int().positive(),
  /** BLAKE3 of the record before it, absent in the first. */
  previous: hex.optional(),
  at: when,
  /** Workflow type and the run that it records. */
  workflow: z.string(),
  workflowId: z.string(),
  runId: z.string(),
  outcome: z.string(),
  report: z.unknown(),
  signature: signatureSchema.optional(),
})
export type Evidence = z.infer<typeof evidenceSchema>

/** What a listing shows of a point; kept in the index, always rebuildable. */
export interface PointSummary {
  source: string
  id: string
  kind: PointKindName
  driver: string
  createdAt: string
  completedAt: string
  sizeBytes: number
  storedBytes: number
  fileCount: number
  tags: string[]
  description?: string
  schemaVersion?: string | number
  parents: string[]
  /** pgBackRest label, where there is one. */
  label?: string
  held: boolean
  /** Classes that its own artifacts are in, where one is not the usual one. Never in the index: they change under it. */
  storageClasses?: string[]
  /** The deepest proof that passed, and when; not `ok` while a failure stands, which a shallower pass does not clear. */
  proof?: { depth: ProofDepth; at: string; ok: boolean }
  /** Proved: restore or full, no newer proof failed, and no older failure stands. */
  good: boolean
  /** Ids of the keys that signed its manifest, proofs and holds. */
  signers?: string[]
}
type PointKindName = (typeof POINT_KINDS)[number]
