/** The rounds as a table: an activity on each line, the times of the crash across. */
export interface Row {
  scenario: string
  activity: string
  when: string
  seconds: number
  problems: string[]
}

export function table(rows: readonly Row[]): string {
  const times = [...new Set(rows.map(({ when }) => when))]
  const lines = [...new Set(rows.map(({ scenario, activity }) => `${scenario}\0${activity}`))].sort()
  const cells = lines.map((line) => {
    const [scenario = '', activity = ''] = line.split('\0')
    const own = rows.filter((row) => row.scenario === scenario && row.activity === activity)
    return [scenario, activity, ...times.map((time) => shown(own.find(({ when }) => when === time)))]
  })
  const all = [['workflow', 'activity', ...times], ...cells]
  const widths = all[0]?.map((_, at) => Math.max(...all.map((row) => (row[at] ?? '').length))) ?? []
  return all
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function shown(row: Row | undefined): string {
  if (!row) return '-'
  return `${row.problems.length === 0 ? 'ok' : 'FAIL'} ${row.seconds.toFixed(0)} s`
}
