/** The steps that run on one host of a pair, on that host's own queue. */
import { proxyActivities } from '@temporalio/workflow'
import type { HostActivities } from '../../activities/host.ts'
import { onHost } from './options.ts'

export const stepsOn = (host: string, timeout?: Parameters<typeof onHost>[1]) => proxyActivities<HostActivities>(onHost(host, timeout))
