/** Scratch instances: folders, servers. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { processesIn } from '../../../../src/process/in-folder.ts'

/** What is in the folder of scratch instances and should not be; `kept` are the instances that the run was asked for. */
export async function instanceProblems(scratchDir: string, kept: readonly string[] = []): Promise<string[]> {
  const folders = (await readdir(scratchDir)).filter((name) => !kept.includes(name))
  const servers = (await processesIn(scratchDir)).filter(({ cwd }) => !kept.some((name) => cwd.startsWith(join(scratchDir, name))))
  return [
    ...folders.map((name) => `folder ${name} among the scratch instances`),
    ...servers.map(({ pid, name, cwd }) => `process ${pid} ${name} in ${cwd}`),
  ]
}
