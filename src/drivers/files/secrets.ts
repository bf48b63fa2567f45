/** What looks like a secret in a file: few rules, and such as hardly anything else fits. They name themselves, never what they found. */

export interface SecretRule {
  name: string
  pattern: RegExp
}

export const SECRET_RULES: readonly SecretRule[] = [
  { name: 'private key', pattern: /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----/ },
  { name: 'age identity', pattern: /AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}/ },
  { name: 'AWS access key', pattern: /(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Z0-9])/ },
  {
    name: 'AWS secret key',
    pattern: /aws_?secret_?(?:access_?)?key["']?\s{0,5}[:=]\s{0,5}["']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])/i,
  },
  { name: 'GitHub token', pattern: /(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{82})(?![A-Za-z0-9_])/ },
  { name: 'GitLab token', pattern: /(?<![A-Za-z0-9])glpat-[A-Za-z0-9_-]{20}(?![A-Za-z0-9_-])/ },
  { name: 'Slack token', pattern: /(?<![A-Za-z0-9])xox[abeprs]-[A-Za-z0-9-]{20,}/ },
  { name: 'Stripe key', pattern: /(?<![A-Za-z0-9])[sr]k_live_[A-Za-z0-9]{24,}/ },
  { name: 'Google API key', pattern: /(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])/ },
  { name: 'Vault token', pattern: /(?<![A-Za-z0-9])hv[sb]\.[A-Za-z0-9_-]{24,}/ },
  { name: 'npm token', pattern: /(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])/ },
  { name: 'PyPI token', pattern: /pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}/ },
  { name: 'SendGrid key', pattern: /(?<![A-Za-z0-9])SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/ },
]

/** What one of them begins with: found four times as fast, and most files have none of it. */
const BEGINNING =
  /-----BEGIN |AGE-SECRET-KEY-1|A[KS]IA|[Ss][Ee][Cc][Rr][Ee][Tt]|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|[sr]k_live_|AIza|hv[sb]\.|npm_|pypi-AgEI|SG\./

/** The name of the first rule that the text fits. */
export function secretIn(text: string): string | undefined {
  return BEGINNING.test(text) ? SECRET_RULES.find(({ pattern }) => pattern.test(text))?.name : undefined
}

/** So much of what came before is looked at again, as a secret may lie across two pieces. */
const OVERLAP = 256

/** Looks at a file piece by piece. */
export class SecretScan {
  #tail = ''
  #found: string | undefined

  get found(): string | undefined {
    return this.#found
  }

  add(bytes: Buffer): void {
    if (this.#found !== undefined) return
    const text = this.#tail + bytes.toString('latin1')
    this.#found = secretIn(text)
    this.#tail = text.slice(-OVERLAP)
  }
}
