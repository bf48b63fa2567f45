/** What S3 says of an object without its bytes. */
import { HeadObjectCommand, type HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import { isArchive } from '../core/storage-classes.ts'
import { factsOf } from './s3-errors.ts'
import type { S3Context } from './s3-upload.ts'
import type { ObjectInfo } from './store.ts'

export async function headOrNone(
  { client, bucket, full, problem }: Pick<S3Context, 'client' | 'bucket' | 'full' | 'problem'>,
  key: string,
): Promise<HeadObjectCommandOutput | undefined> {
  try {
    return await client.send(new HeadObjectCommand({ Bucket: bucket, Key: full(key), ChecksumMode: 'ENABLED' }))
  } catch (error) {
    if (factsOf(error).status === 404) return undefined
    throw problem(error, 'look at', key)
  }
}

export function infoOf(key: string, found: HeadObjectCommandOutput): ObjectInfo {
  const crc32 = crc32In(found)
  return {
    key,
    size: found.ContentLength ?? 0,
    modified: found.LastModified ?? new Date(0),
    ...(crc32 ? { crc32 } : {}),
    ...(found.ObjectLockRetainUntilDate ? { retainUntil: found.ObjectLockRetainUntilDate } : {}),
    ...classIn(found.StorageClass),
    ...(isArchive(found.StorageClass) ? { thaw: thawIn(found.Restore) } : {}),
  }
}

/** The usual class goes unsaid: S3 names it in listings and not here. */
export const classIn = (storageClass: string | undefined): Pick<ObjectInfo, 'storageClass'> =>
  storageClass && storageClass !== 'STANDARD' ? { storageClass } : {}

/** A checksum of part checksums ("…-3") says nothing about the whole. */
function crc32In({ ChecksumType, ChecksumCRC32 }: HeadObjectCommandOutput): string | undefined {
  return ChecksumType === 'COMPOSITE' || ChecksumCRC32?.includes('-') ? undefined : ChecksumCRC32
}

const thawIn = (said: string | undefined): NonNullable<ObjectInfo['thaw']> =>
  said === undefined ? 'none' : said.includes('ongoing-request="false"') ? 'readable' : 'asked'

export function isLocked(found: HeadObjectCommandOutput): boolean {
  const until = found.ObjectLockRetainUntilDate
  return found.ObjectLockLegalHoldStatus === 'ON' || (until !== undefined && until > new Date())
}
