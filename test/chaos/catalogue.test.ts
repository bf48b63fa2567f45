import { expect, test } from 'vitest'
import { SCENARIOS, WITHOUT } from '../support/crash/catalogue.ts'
import * as workflows from '../../workflows/index.ts'

test('every workflow has crash rounds, or it is said why not', () => {
  const played = SCENARIOS.map(([, name]) => name.split(' ')[0])
  // What a type that nobody wrote runs into ends in its first task.
  const types = Object.keys(workflows).filter((type) => type !== 'default')
  expect([...new Set([...played, ...Object.keys(WITHOUT)])].sort()).toEqual(types.sort())
})
