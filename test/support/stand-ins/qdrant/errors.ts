/** The errors of Qdrant's storage layer, with its words and its HTTP codes. */

export class QdrantError extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export const badInput = (text: string) => new QdrantError(400, `Wrong input: ${text}`)
export const badRequest = (text: string) => new QdrantError(400, `Bad request: ${text}`)
export const badFormat = (text: string) => new QdrantError(400, `Format error in JSON body: ${text}`)
export const forbidden = (text: string) => new QdrantError(403, `Forbidden: ${text}`)
export const notFound = (text: string) => new QdrantError(404, `Not found: ${text}`)
export const exists = (text: string) => new QdrantError(409, `Wrong input: ${text}`)
export const internal = (text: string) => new QdrantError(500, `Service internal error: ${text}`)
/** What the stand-in does not do, said so that nobody takes it for Qdrant's own answer. */
export const unknownHere = (text: string) => new QdrantError(501, `the stand-in for Qdrant does not know ${text}`)

/** Named the wrong way round, as the real server does it: "expected" is what the file has. */
export const checksumMismatch = (ofFile: string, given: string) =>
  new QdrantError(400, `Checksum mismatch: expected ${ofFile}, actual ${given}`)
