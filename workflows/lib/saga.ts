/** Undo before act: a compensation is registered before its step and must be harmless where the step never ran. */
import { ApplicationFailure } from '@temporalio/common'
import { CancellationScope, log } from '@temporalio/workflow'
import { ERRORS, type ErrorCode, withNext } from '../../src/core/errors.ts'
import { partsOf, rootFailure } from './failure.ts'

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
            const { message } = rootFailure(error)
            failed.push({ name, error: message })
            log.error('undo failed', { name, error: message })
          }
        }
      })
      return failed
    },
  }
}

/**
 * Runs the body and undoes where it fails: inside the locks that it is called in, so that nobody meets what is half undone.
 * The failure stays what it was, unless something could not be undone: then it says so, under `stuck` where that is given.
 */
export async function undoing<T>(saga: Saga, body: () => Promise<T>, stuck?: ErrorCode): Promise<T> {
  try {
    return await body()
  } catch (error) {
    const left = await saga.compensate()
    if (left.length === 0) throw error
    const { code, message, about, ...told } = partsOf(error)
    const next = stuck ? ERRORS[stuck].next : told.next
    const said = `${message}; and could not undo ${left.map((u) => `${u.name}: ${u.error}`).join('; ')}`
    throw ApplicationFailure.create({
      type: stuck ?? code,
      nonRetryable: true,
      message: next === undefined ? said : withNext(said, next),
      details: [{ ...about, next }],
      ...(error instanceof Error && { cause: error }),
    })
  }
}
