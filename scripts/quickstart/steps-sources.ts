/** With --all: every other kind of source, backed up, proved, lost and brought back. */
import { type SourceRow, tellStory } from '../sources/story.ts'
import { runWorkflow, type Session } from './session.ts'

let runs = 0

export async function everySource(session: Session): Promise<string> {
  const rows: SourceRow[] = []
  session.report.sources = rows
  for (const [source, sample] of Object.entries(session.stack.samples)) {
    session.signal.throwIfAborted()
    session.say(`the story of ${source}`)
    rows.push(await tellStory((type, input) => runWorkflow(session, type, input, `${type}-${source}-${++runs}`), source, sample))
    const left = await sample.leftovers()
    if (left.length > 0) throw new Error(`left on ${source}: ${left.join(', ')}`)
  }
  return rows
    .map(({ source, restoredEqual, seconds }) => `${source} ${restoredEqual ? 'equal' : 'DIFFERS'} in ${seconds.toFixed(0)} s`)
    .join(', ')
}
