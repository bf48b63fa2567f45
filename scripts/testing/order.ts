/** The order of the test files: whole folders of long ones first, so that at the end no core waits for one that runs alone. */
import { relative, sep } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** From some minutes a file down to a second; within a folder vitest's own order, by size or by how long each took last time. */
export const FOLDERS = ['e2e', 'chaos', 'workflows', 'drivers', 'stand-ins', 'replay', 'conformance', 'unit']

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const root = `${this.ctx.config.root}${sep}test`
    const place = ({ moduleId }: TestSpecification) => FOLDERS.indexOf(relative(root, moduleId).split(sep)[0] ?? '')
    return (await super.sort(files)).sort((one, other) => place(one) - place(other))
  }
}
