/** Undo before act: a compensation is registered before its step and must be harmless where the step never ran. */
import { CancellationScope, log } from '@temporalio/workflow'
import { rootFailure } from './failure.ts'

export interface Saga {
  undoBy(name: string, undo: () => Promise<unknown>): void
  /** Past this nothing is undone any more. */
  forget(): void
  /** Newest first, all of them, whatever fails; in a scope that a cancel does not reach. Returns what could not be undone. */
  compensate(): Promise<{ name: string; error: string }[]>
}

export function createSaga(onUndo?: (name: string) => void): Saga {
  let undos: { name: string; undo: () => Promise<unknown> }[] = []
  return {
    undoBy(name, undo) {
      undos.unshift({ name, undo })
    },
    forget() {
      undos = []
    },
    async compensate() {
      const failed: { name: string; error: string }[] = []
      const todo = undos
      undos = []
      await CancellationScope.nonCancellable(async () => {
        for (const { name, undo } of todo) {
          try {
            await undo()
            onUndo?.(name)
          } catch (error) {
            failed.push({ name, error: rootFailure(error).message })
            log.error('undo failed', { name, error: rootFailure(error).message })
          }
        }
      })
      return failed
    },
  }
}
