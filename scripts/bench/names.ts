/** What things are called in the benchmarks' own servers. */
export const DATABASE = 'bench'
export const BUCKET = 'backups'
export const STANZA = 'bench'
