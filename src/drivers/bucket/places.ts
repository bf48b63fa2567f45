/**
 * Where the object of a key is in a folder: readable, never outside of it, and never twice the same. Folders end in "%",
 * so that `a` and `a/b` are both there; what a file system does not take is written as %XX.
 */
import { join } from 'node:path'

export const indexIn = (dir: string): string => join(dir, 'index.ndjson')
export const objectsIn = (dir: string): string => join(dir, 'objects')

/** Bytes of a name; a file system takes 255. */
const LONGEST = 200

export function pathOf(key: string): string {
  return key
    .split('/')
    .map((segment, at, all) => {
      const pieces = piecesOf(nameOf(segment))
      const last = at === all.length - 1
      // A piece that goes on in the next one is another folder than a segment that ends there.
      return pieces.map((piece, index) => (index < pieces.length - 1 ? `${piece}%~` : last ? piece : `${piece}%`)).join('/')
    })
    .join('/')
}

function nameOf(segment: string): string {
  if (segment === '') return '%-'
  if (segment === '.' || segment === '..') return segment.replaceAll('.', '%2E')
  return [...Buffer.from(segment)]
    .map((byte) =>
      /[A-Za-z0-9._ -]/.test(String.fromCharCode(byte))
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('')
}

const piecesOf = (name: string): string[] => name.match(new RegExp(`.{1,${LONGEST}}`, 'g')) ?? []
