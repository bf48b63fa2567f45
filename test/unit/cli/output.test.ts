import { describe, expect, it } from 'vitest'
import { bytes, columns, createOutput } from '../../../src/cli/output.ts'
import { Detached, progressLine, progressText, stepLine } from '../../../src/cli/follow.ts'
import type { RunView } from '../../../src/contract/messages.ts'
import { catchStreams } from './support.ts'

describe('in a pipe', () => {
  it('each line of progress comes once, plain, on stderr', () => {
    const caught = catchStreams()
    const output = createOutput(false, caught)
    for (const line of ['capture', 'capture: dump', 'capture', 'capture: dump']) output.progress(line)
    output.settled('  done dump')
    output.settled('  done dump')
    output.result({ id: 'x' }, ['x is taken'])
    expect(caught.stderr).toBe('capture\ncapture: dump\n  done dump\n')
    expect(caught.stdout).toBe('x is taken\n')
  })
})

describe('in a terminal', () => {
  it('a line of progress replaces the one before, and fits the width', () => {
    const caught = catchStreams({ isTTY: true, columns: 30 })
    const output = createOutput(false, caught)
    output.progress('capture: dump: 1.0 MB')
    output.progress(`capture: dump: 2.0 MB ${'of a great deal more '.repeat(5)}`)
    const [, first, second] = caught.stderr.split('\r\x1b[K')
    expect(first).toBe('capture: dump: 1.0 MB')
    expect(second?.length).toBeLessThan(30)
    expect(caught.stderr).not.toContain('\n')
  })

  it('what is done stays, above the live line; the live line is gone before the result', () => {
    const caught = catchStreams({ isTTY: true })
    const output = createOutput(false, caught)
    output.progress('dump')
    output.settled('  done dump')
    output.progress('upload')
    output.result({}, ['taken'])
    expect(caught.stderr).toBe('\r\x1b[Kdump\r\x1b[K  done dump\n\r\x1b[Kupload\r\x1b[K')
  })
})

describe('with --json', () => {
  it('stdout is exactly one document and stderr is silent', () => {
    const caught = catchStreams({ isTTY: true })
    const output = createOutput(true, caught)
    output.progress('capture')
    output.settled('done')
    output.note('backup/x')
    output.result({ id: 'x' }, ['x is taken'])
    expect(JSON.parse(caught.stdout)).toEqual({ id: 'x' })
    expect(caught.stderr).toBe('')
  })

  it('a command without a result answers null', () => {
    const caught = catchStreams()
    createOutput(true, caught).result(undefined, [])
    expect(JSON.parse(caught.stdout)).toBeNull()
  })
})

describe('what a run shows', () => {
  const view: RunView = { phase: 'fence', steps: [], paused: false, log: [], noReturn: false }

  it('is whom it waits for, before anything else', () => {
    const awaiting = { what: 'fence', why: 'the host is gone', can: ['attestFenced', 'abort'] }
    expect(progressLine({ ...view, awaiting })).toBe('awaiting operator: fence: the host is gone (attestFenced, abort)')
  })

  it('is the plan and how many approvals it has, while it awaits them', () => {
    const plan = { hash: 'abc', text: ['fence east', 'promote west'], approvals: [], needed: 1 }
    expect(progressLine({ ...view, phase: 'approval', plan })).toBe('approval: plan abc: fence east; promote west (0 of 1)')
  })

  it('is the phase and the step that runs', () => {
    const steps = [
      { name: 'stop', status: 'done' as const },
      { name: 'pin', status: 'running' as const },
    ]
    expect(progressLine({ ...view, steps })).toBe('fence: pin')
    expect(progressLine({ ...view, steps, paused: true })).toBe('paused: pin')
  })

  it('has steps with time and detail, and bytes with an estimate', () => {
    expect(stepLine({ name: 'dump', status: 'done', seconds: 1.26, detail: '3 objects' })).toBe('  done     dump 1.3 s: 3 objects')
    expect(progressText({ phase: 'dump', bytes: 1_500_000, totalBytes: 30_000_000 })).toBe('dump 1.5 MB of about 30.0 MB')
  })
})

describe('a run that was left', () => {
  it('goes on, and says how to watch and to stop it', () => {
    expect(new Detached('backup/orders/1').answer().lines).toEqual([
      'detached: backup/orders/1 goes on',
      'watch it: holdfast follow backup/orders/1',
      'stop it:  holdfast cancel backup/orders/1',
    ])
  })

  it.each(['failover/shop', 'failback/shop', 'rebuild-standby/shop'])('is aborted, not cancelled, where %s waits for operators', (id) => {
    expect(new Detached(id).answer().value).toMatchObject({ stop: `holdfast abort ${id} --reason <text>` })
  })
})

describe('numbers and tables', () => {
  it('bytes have a unit', () => {
    expect([0, 999, 1000, 1_234_567, 5e12].map(bytes)).toEqual(['0 B', '999 B', '1.0 kB', '1.2 MB', '5.0 TB'])
  })
  it('columns are as wide as they need', () => {
    expect(
      columns([
        ['a', 'bb'],
        ['ccc', 'd'],
      ]),
    ).toEqual(['a    bb', 'ccc  d'])
  })
})
