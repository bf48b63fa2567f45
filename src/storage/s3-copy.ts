/** An object written anew by S3 itself, in parts: nothing of it passes through here. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  type CompleteMultipartUploadCommandOutput,
  type CompletedPart,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'

/** What S3 takes. */
export const MOST_PARTS = 10_000

export interface PartsCopy {
  client: S3Client
  /** Where to, and what is kept beside the bytes there. */
  create: CreateMultipartUploadCommandInput
  source: { CopySource: string; CopySourceIfMatch?: string | undefined }
  size: number
  /** Larger where there would be too many. */
  partBytes: number
  /** Checksums of the whole, where they are known. */
  complete?: Pick<CompleteMultipartUploadCommandInput, 'ChecksumType' | 'MpuObjectSize' | 'ChecksumCRC32'>
  signal: AbortSignal | undefined
  /** Around every call, which `what` names: `copy part 3 of`. */
  call?<T>(what: string, ask: () => Promise<T>): Promise<T>
  /** Told after every part. */
  onBytes?(bytes: number): void
}

/** How S3 wants an object named that is to be copied. */
export function copySource(bucket: string, key: string, version?: string): string {
  const path = `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`
  return version === undefined ? path : `${path}?versionId=${encodeURIComponent(version)}`
}

/** Leaves no upload behind where it fails. */
export async function copyInParts(copy: PartsCopy): Promise<CompleteMultipartUploadCommandOutput> {
  const { client, create, source, size, partBytes, complete, signal, call = (_, ask) => ask(), onBytes } = copy
  const aborting = { abortSignal: signal }
  const { UploadId } = await call('start an upload of', () => client.send(new CreateMultipartUploadCommand(create), aborting))
  const upload = { Bucket: create.Bucket, Key: create.Key, UploadId }
  try {
    const Parts: CompletedPart[] = []
    const step = Math.max(partBytes, Math.ceil(size / MOST_PARTS))
    for (let from = 0; from < size; from += step) {
      const PartNumber = Parts.length + 1
      const to = Math.min(from + step, size)
      const part = { ...upload, ...source, PartNumber, CopySourceRange: `bytes=${from}-${to - 1}` }
      const answer = await call(`copy part ${PartNumber} of`, () => client.send(new UploadPartCopyCommand(part), aborting))
      const { ETag, ChecksumCRC32 } = answer.CopyPartResult ?? {}
      Parts.push({ PartNumber, ETag, ...(ChecksumCRC32 && { ChecksumCRC32 }) })
      onBytes?.(to - from)
    }
    const whole = new CompleteMultipartUploadCommand({ ...upload, ...complete, MultipartUpload: { Parts } })
    return await call('complete', () => client.send(whole))
  } catch (error) {
    // Parts of an upload that nobody completes cost their room for ever.
    await client.send(new AbortMultipartUploadCommand(upload)).catch(() => {})
    throw error
  }
}
