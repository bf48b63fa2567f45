export function withLock<T>(name: string, work: () => Promise<T>, options?: { onWait?: () => void; signal?: AbortSignal }): Promise<T>
