/** Whether one message can have both subjects: no two streams of an account may take the same one. */

export function overlap(a: string, b: string): boolean {
  const [left, right] = [a.split('.'), b.split('.')]
  for (let index = 0; ; index += 1) {
    const [one, other] = [left[index], right[index]]
    if (one === undefined || other === undefined) return one === other
    if (one === '>' || other === '>') return true
    if (one !== other && one !== '*' && other !== '*') return false
  }
}
