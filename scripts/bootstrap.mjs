/**
 * The way in for a machine that has only Node 20 and npm: installs the packages where they are missing, then becomes
 * `node <script>` under the project's own Node, with the same arguments, signals and exit code.
 *
 *   node scripts/bootstrap.mjs scripts/test.ts test/unit
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withLock } from './lock.mjs'
import { flagsOf } from './node-flags.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = join(root, 'node_modules', '.bin')
const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])

await main()

async function main() {
  const [script, ...args] = process.argv.slice(2)
  if (!script) fail('usage: node scripts/bootstrap.mjs <script.ts> [arguments]')
  if (Number(process.versions.node.split('.')[0]) < 20) fail(`this needs Node 20 or later and npm; here is Node ${process.versions.node}`)
  if (!packagesFit()) await withLock(root, install, { onWait: () => say('another run is installing the packages: waiting for it') })
  const path = resolve(root, script)
  become(join(bin, 'node'), [...flagsOf(path), path, ...args])
}

/** True where node_modules holds just what package-lock.json asks for; npm writes its own lock there last of all. */
function packagesFit() {
  const wanted = packagesOf(join(root, 'package-lock.json'))
  const present = packagesOf(join(root, 'node_modules', '.package-lock.json'))
  if (!wanted || !present || !existsSync(join(bin, 'node'))) return false
  const same = (/** @type {string} */ path) => present[path]?.version === wanted[path]?.version
  // What is optional may be absent, as it is for another platform; what is there must be of the version asked for.
  const needed = Object.keys(wanted).filter((path) => path !== '' && !wanted[path].optional && !wanted[path].devOptional)
  return needed.every(same) && Object.keys(present).every((path) => !(path in wanted) || same(path))
}

/** @returns {Record<string, { version?: string, optional?: boolean, devOptional?: boolean }> | undefined} */
function packagesOf(/** @type {string} */ file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages
  } catch {
    return undefined
  }
}

async function install() {
  if (packagesFit()) return
  say('installing packages (npm ci), once: about a minute')
  const started = Date.now()
  const seconds = () => Math.round((Date.now() - started) / 1000)
  const ticker = setInterval(() => say(`installing packages: ${seconds()} s`), 10_000)
  // The install script of `node` is what brings the program: a user's ignore-scripts would leave none.
  const { code, output } = await npm(['ci', '--ignore-scripts=false', '--no-audit', '--no-fund', '--loglevel=error'])
  clearInterval(ticker)
  if (code !== 0) fail(`npm ci ended with ${code}:\n${output.trim().split('\n').slice(0, 40).join('\n')}`)
  if (!packagesFit()) fail(`npm ci left no usable node_modules; remove the folder and try again\n${output.trim()}`)
  say(`packages installed in ${seconds()} s`)
}

/** Runs npm in a process group of its own, so that a stop reaches what npm started too. */
async function npm(/** @type {string[]} */ args) {
  const path = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== bin)
    .join(delimiter)
  const child = spawn('npm', args, { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PATH: path } })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output = (output + chunk).slice(-20_000)
    })
  const ended = new Promise((done) => {
    child.on('error', (error) => done(`an error: ${error.message} (is npm on PATH?)`))
    child.on('close', (code, signal) => done(code ?? signal))
  })
  /** @type {NodeJS.Signals | undefined} */
  let stopped
  const stop = (/** @type {NodeJS.Signals} */ signal) => {
    // A second signal is the terminal's and npm's both delivering the first: it changes nothing.
    stopped ??= signal
    killGroup(child.pid, 'SIGTERM')
    setTimeout(() => killGroup(child.pid, 'SIGKILL'), 3_000).unref()
  }
  for (const signal of SIGNALS) process.on(signal, stop)
  const code = await ended
  for (const signal of SIGNALS) process.off(signal, stop)
  if (stopped) {
    killGroup(child.pid, 'SIGKILL')
    process.exit(128 + constants.signals[stopped])
  }
  return { code, output }
}

function killGroup(/** @type {number | undefined} */ pid, /** @type {NodeJS.Signals} */ signal) {
  try {
    if (pid) process.kill(-pid, signal)
  } catch {
    // It has ended already.
  }
}

/** Replaces this process where Node can (22.15 and later), else waits for a child and ends as it ends. */
function become(/** @type {string} */ program, /** @type {string[]} */ args) {
  const env = { ...process.env, PATH: [bin, process.env.PATH].join(delimiter) }
  const { execve } = /** @type {{ execve?: (file: string, args: string[], env: NodeJS.ProcessEnv) => never }} */ (
    /** @type {unknown} */ (process)
  )
  if (execve) {
    // It says that it is experimental.
    process.removeAllListeners('warning')
    execve.call(process, program, [program, ...args], env)
  }
  const child = spawn(program, args, { stdio: 'inherit', env })
  // A terminal's Ctrl-C reaches every process of the group: told of it here as well, the child would hear of it twice.
  const terminal = [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY)
  for (const signal of SIGNALS)
    process.on(signal, () => {
      if (!(terminal && signal === 'SIGINT')) child.kill(signal)
    })
  child.on('error', (error) => fail(`${program} does not start: ${error.message}`))
  child.on('close', (code, signal) => {
    for (const name of SIGNALS) process.removeAllListeners(name)
    if (signal) process.kill(process.pid, signal)
    else process.exit(code ?? 1)
  })
}

function say(/** @type {string} */ text) {
  process.stderr.write(`${text}\n`)
}

/** @returns {never} */
function fail(/** @type {string} */ text) {
  say(text)
  process.exit(1)
}
