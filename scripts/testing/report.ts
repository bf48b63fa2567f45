/** Reads what vitest's JSON reporter wrote. */
import { readFileSync } from 'node:fs'

interface VitestReport {
  numPassedTests: number
  numFailedTests: number
  testResults: { name: string; status: string; assertionResults: { fullName: string; status: string }[] }[]
}

export interface Counts {
  passed: number
  failed: number
  /** Full names of the tests that did not run here. */
  skipped: string[]
}

/** Counts of the run; `exitCode` is vitest's, which also knows of errors outside of any test. */
export function countsOf(file: string, exitCode: number | null): Counts {
  const report = read(file)
  if (!report) return { passed: 0, failed: 1, skipped: [] }
  // A file that cannot be loaded, or whose set-up fails, is a failure without a failed test.
  const broken = report.testResults.filter(
    (result) => result.status === 'failed' && !result.assertionResults.some((test) => test.status === 'failed'),
  )
  const failed = report.numFailedTests + broken.length
  const skipped = report.testResults.flatMap((result) =>
    result.assertionResults.filter((test) => test.status === 'skipped' || test.status === 'pending'),
  )
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && (exitCode !== 0 || report.numPassedTests === 0) ? 1 : failed,
    skipped: skipped.map((test) => test.fullName),
  }
}

function read(file: string): VitestReport | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as VitestReport
  } catch {
    return undefined
  }
}
