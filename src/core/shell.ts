/** Words of commands that a person or a shell reads. */

/** One word, whatever is in it; bare where it needs no quotes. */
export const shellWord = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)
