/** Classes of storage of S3 that an object may be moved into, dearest to keep first. */
export const STORAGE_CLASSES = ['STANDARD_IA', 'ONEZONE_IA', 'GLACIER_IR', 'GLACIER', 'DEEP_ARCHIVE'] as const
export type StorageClass = (typeof STORAGE_CLASSES)[number]

/** Classes whose objects have to be asked for, hours before they can be read. */
const ARCHIVES: readonly (string | undefined)[] = ['GLACIER', 'DEEP_ARCHIVE']
export const isArchive = (storageClass: string | undefined): boolean => ARCHIVES.includes(storageClass)
