import { expect, it } from 'vitest'
import { recoveredLines } from '../../../src/cli/commands/restore.ts'

it('a recovery names what was not there without a command for it, and prints each command as it is to be run', () => {
  const copyBack = '# about\n{\n  pg_dump\n} | psql'
  const lines = recoveredLines('shop', {
    instance: 'pitr-1',
    base: '20260115',
    connection: 'host=/tmp',
    seconds: 1,
    stoppedAt: { lsn: '0/1' },
    tables: [{ name: 'public.kept', rows: 5, copyBack }],
    warnings: ['there was no table nope at that time'],
  })
  expect(lines.slice(2)).toEqual([
    'public.kept: 5 rows; copy back with:',
    copyBack,
    'warning: there was no table nope at that time',
    'when done: holdfast discard shop pitr-1',
  ])
})
