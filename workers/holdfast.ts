#!/usr/bin/env -S node --max-semi-space-size=2
/** The executable: wires the command line to workers and services, and ends with the exit code that its help documents. */
import type { Wiring } from '../src/cli/context.ts'
import { commandOf, troubleFrom, WAL_COMMANDS } from '../src/cli/words.ts'

const args = process.argv.slice(2)
const command = commandOf(args) ?? ''
const trouble = troubleFrom(command)
if (trouble > 0) {
  // What nobody foresaw, as an installation that is not whole, ends Node with 1: of this command that is an answer.
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${error.stack}\n`)
    process.exit(trouble + 1)
  })
}
// Whoever reads only the first lines (`| head`) has had enough: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

// Loaded where they are needed: a worker's libraries and Temporal's client take longer to load than most commands to run.
const wiring: Wiring = {
  openServices: async (config) => (await import('./services.ts')).openServices(config),
  serve: async (options) => (await import('./serve.ts')).serve(options),
  dev: async (options) => (await import('./dev.ts')).dev(options),
}
const program = WAL_COMMANDS.includes(command)
  ? (await import('../src/cli/wal-program.ts')).createWalProgram(wiring)
  : (await import('../src/cli/program.ts')).createProgram(wiring)
process.exitCode = await program.run(args)
