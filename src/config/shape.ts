/** The schema as plain data: what may stand at a place of the configuration. */
import { z } from 'zod'
import { configSchema } from './schema.ts'
import type { Path } from './problem.ts'

/** The part of JSON Schema that zod writes for a configuration. */
export interface Shape {
  type?: string
  description?: string
  default?: unknown
  enum?: unknown[]
  const?: unknown
  format?: string
  pattern?: string
  minimum?: number
  maximum?: number
  properties?: Record<string, Shape>
  required?: string[]
  additionalProperties?: Shape | boolean
  propertyNames?: Shape
  items?: Shape
  oneOf?: Shape[]
  anyOf?: Shape[]
}

/** JSON Schema of what an operator writes: what has a default may be left out. */
export function configShape(): Shape {
  return z.toJSONSchema(configSchema, { io: 'input' }) as Shape
}

/** The shapes that may stand at the path; more than one where the value does not say which it is. */
export function shapesAt(path: Path, value: unknown): Shape[] {
  let shapes = variants(configShape(), value)
  let here = value
  for (const word of path) {
    here = isObject(here) || Array.isArray(here) ? (here as Record<string | number, unknown>)[word] : undefined
    const next = here
    shapes = shapes.flatMap((shape) => step(shape, word)).flatMap((shape) => variants(shape, next))
  }
  return shapes
}

/** The keys that may stand there. */
export function keysAt(path: Path, value: unknown): string[] {
  return [
    ...new Set(
      shapesAt(path, value).flatMap((shape) => [
        ...Object.keys(shape.properties ?? {}),
        ...((shape.propertyNames?.enum ?? []) as string[]),
      ]),
    ),
  ]
}

function step(shape: Shape, word: string | number): Shape[] {
  const next = typeof word === 'number' ? shape.items : (shape.properties?.[word] ?? shape.additionalProperties)
  return typeof next === 'object' ? [next] : []
}

// The variant whose fixed words, as `type: s3`, the value has; all of them where none fits.
function variants(shape: Shape, value: unknown): Shape[] {
  const all = shape.oneOf ?? shape.anyOf
  if (!all) return [shape]
  const fitting = all.filter((one) =>
    Object.entries(one.properties ?? {}).some(([key, { const: word }]) => word !== undefined && isObject(value) && value[key] === word),
  )
  return fitting.length > 0 ? fitting : all
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
