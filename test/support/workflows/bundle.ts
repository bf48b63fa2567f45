/** The workflows as workers run them: bundled by `npm test` once for all, else when a file first needs them. */
import { readFile } from 'node:fs/promises'
import { bundleWorkflows } from '../../../workers/workflows.ts'

let bundled: Promise<string> | undefined

export function workflowCode(): Promise<string> {
  const file = process.env['HOLDFAST_WORKFLOW_BUNDLE']
  bundled ??= file ? readFile(file, 'utf8') : bundleWorkflows()
  return bundled
}
