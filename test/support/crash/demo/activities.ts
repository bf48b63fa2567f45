/** Two ways to have an effect, to show what the harness sees: one may happen twice, one may not. */
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { activityInfo } from '@temporalio/activity'

export interface DemoInput {
  folder: string
}

/** Adds a line for each attempt that has its effect: not idempotent. */
export async function append({ folder }: DemoInput): Promise<{ attempt: number }> {
  const { attempt } = activityInfo()
  appendFileSync(join(folder, 'appended'), `${attempt}\n`)
  return { attempt }
}

/** Creates a file once, whoever comes first: idempotent. */
export async function create({ folder }: DemoInput): Promise<{ attempt: number }> {
  const { attempt } = activityInfo()
  try {
    writeFileSync(join(folder, 'created'), `${attempt}\n`, { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return { attempt }
}
