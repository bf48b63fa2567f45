/** pgBackRest's `verify`: it exits 0 whatever it finds, so only its words tell. */
import type { Verdict } from './engine.ts'
import type { Caller } from './pgbackrest-call.ts'

export async function verify({ call }: Caller, { signal, labels }: { signal: AbortSignal; labels?: readonly string[] }): Promise<Verdict> {
  const { stdout, stderr } = await call('verify', ['--output=text', '--verbose'], { signal })
  return parseVerify(stdout, stderr, labels)
}

const BAD = /status: (error|invalid)|(missing|checksum invalid|size invalid|other): [1-9]|ERROR/

/**
 * What is wrong with the repository; with `labels`, only what is wrong with these backups, with the archive and with the
 * repository at large. A backup that it says nothing good of is a problem.
 */
export function parseVerify(stdout: string, stderr: string, labels?: readonly string[]): Verdict {
  const lines = inSections(stdout)
  const bad = lines.filter(({ text }) => BAD.test(text))
  const ofOthers = bad.filter(({ backup }) => labels && backup !== undefined && !labels.includes(backup))
  const valid = lines.flatMap(({ backup, text }) => (backup !== undefined && /, status: valid\b/.test(text) ? [backup] : []))
  // The whole is called bad for the sake of another backup too.
  const counted = bad.filter((line) => !ofOthers.includes(line) && !(ofOthers.length > 0 && line.text === 'status: error'))
  const problems = [
    ...counted.map(({ text }) => text),
    ...stderr.split('\n').filter((line) => BAD.test(line)),
    ...(labels ?? [])
      .filter((label) => !valid.includes(label) && !counted.some(({ backup }) => backup === label))
      .map((label) => `backup: ${label} was not found valid`),
  ]
  const whole = lines.some(({ text }) => text === 'status: ok') || ofOthers.length > 0
  return { ok: problems.length === 0 && whole, problems }
}

/** Each line with the backup that it is about; none for the archive and the whole. */
function inSections(stdout: string): { text: string; backup?: string }[] {
  let backup: string | undefined
  return stdout.split('\n').map((line) => {
    const text = line.trim()
    const begins = /^(?:stanza|status|archiveId|backup): ?([^,\s]*)/.exec(text)
    if (begins) backup = text.startsWith('backup:') ? begins[1] : undefined
    return { text, ...(backup !== undefined && { backup }) }
  })
}
