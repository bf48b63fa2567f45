import { describe, expect, it } from 'vitest'
import { readScript } from '../../../src/drivers/postgres-logical/script.ts'

/** In pieces of every size: a line ends where it ends, wherever a chunk does. */
async function* pieces(text: string, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
const read = (lines: string[], size = 7) => readScript(pieces(`${lines.join('\n')}\n`, size))

describe('a script of pg_dump', () => {
  it.each([1, 3, 64, 100_000])('is read the same in pieces of %i bytes', async (size) => {
    const lines = ['--', '-- PostgreSQL database dump', '--', 'CREATE TABLE public.ö (x int);', '-- PostgreSQL database dump complete']
    expect(await read(lines, size)).toMatchObject({
      begins: true,
      complete: true,
      tables: 1,
      bytes: Buffer.byteLength(`${lines.join('\n')}\n`),
    })
  })

  it('names the roles that own or were granted something, and none that stands among rows', async () => {
    const found = await read([
      'ALTER TABLE public.orders OWNER TO clerk;',
      'ALTER SCHEMA sales OWNER TO "Odd ""Role""";',
      'GRANT SELECT ON TABLE public.orders TO reader WITH GRANT OPTION;',
      'GRANT ALL ON SCHEMA public TO PUBLIC;',
      'GRANT pg_read_all_data TO pg_monitor;',
      'REVOKE ALL ON TABLE public.orders FROM former;',
      'ALTER DEFAULT PRIVILEGES FOR ROLE maker IN SCHEMA public GRANT SELECT ON TABLES TO taker;',
      'CREATE POLICY own ON public.orders FOR SELECT TO first, second USING (true);',
      'COPY public.orders (note) FROM stdin;',
      'a note',
      'ALTER TABLE x OWNER TO intruder;',
      '\\.',
      'ALTER TABLE public.lines OWNER TO last;',
    ])
    expect(found.roles).toEqual(['Odd "Role"', 'clerk', 'first', 'former', 'last', 'maker', 'reader', 'second', 'taker'])
  })

  it('that connects elsewhere or calls a program is told by that line; what protects its reader is none', async () => {
    expect((await read(['\\restrict abc', 'SELECT 1;', '\\unrestrict abc'])).command).toBeUndefined()
    expect((await read(['\\connect shop'])).command).toBe('\\connect shop')
    expect((await read(['\\! rm -rf /'])).command).toBe('\\! rm -rf /')
    expect((await read(['COPY public.x FROM stdin;', '\\N', '\\.'])).command).toBeUndefined()
  })

  it('with a row of many megabytes is read past it', async () => {
    async function* long(): AsyncGenerator<Buffer> {
      yield Buffer.from('COPY public.x FROM stdin;\n')
      for (let piece = 0; piece < 64; piece++) yield Buffer.alloc(1024 * 1024, 'a')
      yield Buffer.from('\n\\.\nCREATE SCHEMA after;\nCREATE TABLE after.x (y int);\n')
    }
    expect(await readScript(long())).toMatchObject({ filled: 1, tables: 1, missingSchemas: [] })
  })

  it('names the schemas that its tables need and that it does not make', async () => {
    expect((await read(['CREATE TABLE sales.orders (x int);', 'CREATE TABLE public.y (x int);'])).missingSchemas).toEqual(['sales'])
    expect((await read(['CREATE SCHEMA sales;', 'CREATE UNLOGGED TABLE sales.orders (x int);'])).missingSchemas).toEqual([])
  })
})
