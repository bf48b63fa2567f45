/** The C and C++ libraries of a newer Debian, beside the machine's own: for programs that are built for them. Nothing is installed. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../src/process/run.ts'

const SUITE = 'trixie'
const PACKAGES = ['libc6', 'libstdc++6', 'libgcc-s1']
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** Unpacks the packages into the folder. apt compares their digests with the suite's index, and its signature with Debian's keys. */
export async function unpackNewerLibc(folder: string, signal?: AbortSignal): Promise<void> {
  const state = join(folder, 'apt')
  for (const name of ['lists/partial', 'archives/partial', 'packages']) await mkdir(join(state, name), { recursive: true })
  const sources = join(state, 'sources.list')
  await writeFile(sources, `deb [signed-by=${KEYRING}] ${await mirror(signal)} ${SUITE} main\n`)
  const settings = [
    `Dir::Etc::SourceList=${sources}`,
    'Dir::Etc::SourceParts=/dev/null',
    // Lists and packages of its own: the machine's stay as they are, and no root is needed.
    `Dir::State::Lists=${join(state, 'lists')}`,
    `Dir::Cache=${state}`,
    'APT::Sandbox::User=',
    'Acquire::Languages=none',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false',
  ]
  const packages = join(state, 'packages')
  const apt = (...args: string[]) =>
    run({ program: 'apt-get', args: ['-q', ...settings.flatMap((one) => ['-o', one]), ...args], cwd: packages }, { signal })
  await apt('-o', 'APT::Update::Error-Mode=any', 'update')
  await apt('download', ...PACKAGES)
  for (const file of await readdir(packages)) await run({ program: 'dpkg-deb', args: ['-x', join(packages, file), folder] }, { signal })
}

/** The machine's own mirror of Debian, where its lists name one. */
async function mirror(signal: AbortSignal | undefined): Promise<string> {
  const args = ['indextargets', '--format', '$(ORIGIN) $(REPO_URI)', 'Created-By: Packages']
  const { stdout } = await run({ program: 'apt-get', args }, { signal })
  return /^Debian (\S+\/debian\/?)$/m.exec(stdout)?.[1] ?? 'http://deb.debian.org/debian'
}
