/** A check by HTTP: one GET, judged by its status alone. */
import { get as getPlain } from 'node:http'
import { get as getSecure } from 'node:https'
import { messageOf } from '../../core/errors.ts'
import type { Verdict } from './index.ts'

/** Redirects are not followed: a status that leads elsewhere is not the wanted one. */
export async function checkHttp({ http, status }: { http: string; status: number }, signal: AbortSignal): Promise<Verdict> {
  try {
    const found = await statusOf(http, signal)
    return { ok: found === status, detail: `status ${found}${found === status ? '' : `, wanted ${status}`}` }
  } catch (error) {
    return { ok: false, detail: messageOf(error) || (error as NodeJS.ErrnoException).code || 'no connection' }
  }
}

// Not fetch: it keeps connections open, and one that was opened before the move still leads to the old side.
function statusOf(url: string, signal: AbortSignal): Promise<number> {
  const get = url.startsWith('https:') ? getSecure : getPlain
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, signal }, (reply) => {
      resolve(reply.statusCode ?? 0)
      reply.on('error', () => {})
      request.destroy()
    })
    request.on('error', reject)
  })
}
