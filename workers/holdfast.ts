#!/usr/bin/env node
/** The executable: wires the command line to workers and services, and ends with the exit code that its help documents. */
import { createProgram } from '../src/cli/program.ts'
import { openServices } from './services.ts'
import { serve } from './serve.ts'

process.exitCode = await createProgram({ serve, openServices }).run(process.argv.slice(2))
