/** What an archive holds and lacks, in lines. */
import type { Contents } from '../wal/contents.ts'
import { bytes, columns } from './output.ts'

export function contentsLines({ timelines, gaps, series, unread, others, unrecorded, unreadable }: Contents): string[] {
  const rows = timelines.map((t) => [String(t.timeline), t.first, t.last, String(t.segments), bytes(t.storedBytes), t.lastAt])
  const rest = others - unread - series.reduce((sum, { files }) => sum + files, 0)
  return [
    ...(rows.length > 0 ? columns([['timeline', 'first', 'last', 'segments', 'stored', 'last archived'], ...rows]) : []),
    ...gaps.map(({ from, to, segments }) => `MISSING ${from}${segments > 1 ? ` to ${to}, ${segments} segments` : ''}`),
    ...series.flatMap(seriesLines),
    ...(rows.length + series.length + unread === 0 ? ['no segments'] : []),
    ...(unread > 0 ? [`${unread} files whose names do not tell whether any are missing between them`] : []),
    ...(rest > 0 ? [`${rest} other files`] : []),
    ...(unrecorded > 0 ? [`${unrecorded} not finished: being archived now, or their push was killed and comes again`] : []),
    ...(unreadable ?? []).map(({ name, code, message }) => `UNREADABLE ${name}: ${code}: ${message}`),
    ...(unreadable?.length === 0 ? ['every record was read'] : []),
  ]
}

function seriesLines({ form, counts, files, first, last, gaps }: Contents['series'][number]): string[] {
  const [how, what] = counts === 'entries' ? ['by the entries in them', 'entries'] : [`in ${counts}`, 'segments']
  return [
    `${form}: counted ${how}, ${files} segments, ${first} to ${last}`,
    ...gaps.map(({ from, to, missing }) => {
      const which = from === to ? from : `${from} to ${to}, ${missing} ${what}`
      return `MISSING ${counts === 'entries' && from === to ? 'entry ' : ''}${which}`
    }),
  ]
}
