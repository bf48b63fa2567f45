#!/usr/bin/env node
/** The executable: wires the command line to workers and services, and ends with the exit code that its help documents. */
import { createProgram } from '../src/cli/program.ts'
import { openServices } from './services.ts'

const program = createProgram({
  openServices,
  // Loaded where they are needed: a worker's libraries take longer to load than most commands to run.
  serve: async (options) => (await import('./serve.ts')).serve(options),
  dev: async (options) => (await import('./dev.ts')).dev(options),
})
process.exitCode = await program.run(process.argv.slice(2))
