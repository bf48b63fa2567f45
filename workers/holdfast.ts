#!/usr/bin/env -S node --max-semi-space-size=2
/** The executable: wires the command line to workers and services, and ends with the exit code that its help documents. */
import { createProgram } from '../src/cli/program.ts'
import { openServices } from './services.ts'

const program = createProgram({
  openServices,
  // Loaded where they are needed: a worker's libraries take longer to load than most commands to run.
  serve: async (options) => (await import('./serve.ts')).serve(options),
  dev: async (options) => (await import('./dev.ts')).dev(options),
})
// Whoever reads only the first lines (`| head`) has had enough: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})
process.exitCode = await program.run(process.argv.slice(2))
