/** The command line of an engine's archive alone: it is started for each segment, and what it loads is waited for. */
import { buildProgram, type Program } from './build.ts'
import { WAL_FAMILY } from './commands/wal.ts'
import type { Wiring } from './context.ts'

export const createWalProgram = (wiring: Wiring): Program => buildProgram(WAL_FAMILY, wiring)
