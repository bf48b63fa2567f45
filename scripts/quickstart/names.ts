/** Names of the quickstart's world. */
export const ZONE = 'quickstart.test'
export const RECORD = `db.${ZONE}`
export const STANZA = 'shop'
export const DATABASE = 'shop'
