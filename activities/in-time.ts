/** An answer that is not waited for without end: a store that is gone may take the question and say nothing. */
import { HoldfastError } from '../src/core/errors.ts'

/** A repository that says nothing for so long is taken for gone, where another one may have what is asked for. */
const ANSWER_MS = 45_000

export async function inTime<T>(answer: Promise<T>, repository: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const silent = new HoldfastError('STORE_UNREACHABLE', `${repository} has not answered within ${ANSWER_MS / 1000} s`, {
      object: repository,
    })
    timer = setTimeout(() => reject(silent), ANSWER_MS)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
    answer.catch(() => {})
  }
}
