/** The flags that a script wants its Node to have, as its first line says. */
export function flagsOf(script: string): string[]
