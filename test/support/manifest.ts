/** A manifest around what a driver captured, as the publish step makes it. */
import type { Manifest } from '../../src/core/records.ts'
import type { Captured, CaptureRequest } from '../../src/drivers/driver.ts'

export function manifestOf(driver: string, request: CaptureRequest, captured: Captured, versions: Record<string, string>): Manifest {
  const now = new Date().toISOString()
  return {
    format: 'holdfast/v1',
    type: 'manifest',
    source: 'orders',
    id: request.id,
    driver,
    kind: request.kind,
    createdAt: now,
    completedAt: now,
    tags: [],
    holdfastVersion: '0.0.0',
    sizeBytes: captured.sizeBytes,
    storedBytes: captured.storedBytes ?? captured.artifacts.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    fileCount: captured.fileCount,
    artifacts: captured.artifacts,
    consistency: captured.consistency,
    versions,
    ...(captured.reference ? { reference: captured.reference } : {}),
    ...(captured.content ? { content: captured.content } : {}),
    ...(captured.inventory ? { inventory: captured.inventory } : {}),
    encryption: { recipients: [] },
    parents: [],
    warnings: captured.warnings,
    workflowId: 'test',
    runId: 'test',
  }
}
