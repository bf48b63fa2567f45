/** A workload of Kubernetes: scaled to none, and back to the number that it had. */
import type { KubernetesConfig } from '../config/schema/applications.ts'
import { seconds } from '../core/duration.ts'
import { run } from '../process/run.ts'
import { until } from '../process/wait.ts'
import type { Application } from './application.ts'

export function kubernetesApplication({ workload, namespace, context, timeout }: KubernetesConfig): Application {
  const timeoutMs = seconds(timeout) * 1000
  const kubectl = async (signal: AbortSignal, ...args: string[]): Promise<string> => {
    const where = ['--namespace', namespace, ...(context === undefined ? [] : ['--context', context])]
    return (await run({ program: 'kubectl', args: [...args, ...where] }, { signal, timeoutMs })).stdout
  }
  const look = async (signal: AbortSignal): Promise<{ wanted: number; running: number }> => {
    const { spec, status } = JSON.parse(await kubectl(signal, 'get', workload, '--output', 'json')) as {
      spec?: { replicas?: number }
      status?: { replicas?: number }
    }
    // Kubernetes leaves out a zero of the status, and means one where nothing is said of the wish.
    return { wanted: spec?.replicas ?? 1, running: status?.replicas ?? 0 }
  }
  return {
    async inspect(signal) {
      const { wanted } = await look(signal)
      return { running: wanted > 0, replicas: wanted }
    },
    async stop(signal) {
      await kubectl(signal, 'scale', workload, '--replicas', '0')
      const gone = async () => (await look(signal)).running === 0
      await until(gone, { timeoutMs, everyMs: 500, what: `the last replica of ${workload} to end`, signal })
    },
    async start({ replicas = 0 }, signal) {
      if (replicas === 0) return
      await kubectl(signal, 'scale', workload, '--replicas', String(replicas))
      await kubectl(signal, 'rollout', 'status', workload, `--timeout=${Math.ceil(timeoutMs / 1000)}s`)
    },
  }
}
