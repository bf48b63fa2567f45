/** The record of a run, signed, in a numbered chain per writer; it outlives the history. */
import { Context } from '@temporalio/activity'
import { hostname } from 'node:os'
import { HoldfastError } from '../src/core/errors.ts'
import { type Services, sourceOf } from './services.ts'

export interface EvidenceInput {
  source?: string
  group?: string
  workflow: string
  outcome: string
  /** The result of the run, or its failure with the steps until then. */
  report: unknown
}

export function createEvidenceActivities(services: Services) {
  const { config } = services
  const repositoryOf = (input: EvidenceInput): string => {
    const source = input.source ?? (input.group ? config.failoverGroups[input.group]?.source : undefined)
    const repository = source ? sourceOf(config, source).repository : Object.keys(config.repositories)[0]
    if (!repository) throw new HoldfastError('CONFIG_INVALID', 'No repository is configured: evidence has no place')
    return repository
  }
  return {
    async writeEvidence(input: EvidenceInput): Promise<{ writer: string; number: number }> {
      const { workflowExecution } = Context.current().info
      const catalog = await services.catalog(repositoryOf(input))
      const writer = hostname()
        .toLowerCase()
        .replace(/[^a-z0-9-]/g, '-')
      const number = await catalog.appendEvidence(writer, {
        at: new Date().toISOString(),
        workflow: input.workflow,
        workflowId: workflowExecution?.workflowId ?? '',
        runId: workflowExecution?.runId ?? '',
        outcome: input.outcome,
        report: input.report,
      })
      return { writer, number }
    },
  }
}
export type EvidenceActivities = ReturnType<typeof createEvidenceActivities>
