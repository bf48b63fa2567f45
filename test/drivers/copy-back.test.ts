/** The printed command, run word for word: `copy` is the database as it was, `live` the same after a mistake. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Cluster, createCluster } from '../../scripts/toolbox/postgres.ts'
import { lookAtCopy } from '../../src/drivers/postgres-common/copied-tables.ts'
import { copyBackCommand } from '../../src/drivers/postgres-common/copy-back.ts'
import { connect } from '../../src/drivers/postgres-common/connect.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await createCluster()
})
afterAll(async () => cluster?.destroy())
beforeEach(async () => {
  for (const name of ['copy', 'live', 'before']) await cluster.query(`drop database if exists ${name} with (force)`)
  await cluster.query('create database before')
})

const live = (sql: string) => cluster.query(sql, 'live')
const look = (...names: string[]) => lookAtCopy(cluster.connection('copy'), cluster.connection('live'), names)

/** A database before the mistake, and after. */
async function mistake(before: string, after: string) {
  await cluster.query(before, 'before')
  for (const name of ['copy', 'live']) await cluster.query(`create database ${name} template before`)
  await live(after)
}

/** What is printed for the table. */
async function command(name: string, asked = cluster.connection('live'), into = cluster.connection('live')): Promise<string> {
  const { tables } = await lookAtCopy(cluster.connection('copy'), asked, [name])
  if (!tables[0]) throw new Error(`no table ${name}`)
  return copyBackCommand(cluster.connection('copy'), into, tables[0], '0a1b2c')
}

const bash = (text: string) => run({ program: 'bash', args: ['-c', text] }, { timeoutMs: 60_000 })
/** Where no server listens: the live database cannot be asked. */
const NOWHERE = 'host=127.0.0.1 port=1 dbname=live'
const copyBack = async (name: string) => bash(await command(name))
/** The line of a comment that is a command itself. */
const shown = async (text: string) => {
  const line = text.split('\n').find((each) => /^# (diff|psql) /.test(each))
  const { stdout } = await run({ program: 'bash', args: ['-c', String(line).slice(2)] }, { accept: [0, 1], timeoutMs: 60_000 })
  return stdout
}
const values = async (sql: string) => (await live(sql)).map((row) => Object.values(row).join(' '))

const KEYLESS = `create table victims (n int, note text collate "C", twice int generated always as (n * 2) stored, at timestamptz default now());
  insert into victims (n, note) values (1, 'a\\b'), (2, E'tab\\tline\\n\\\\.'), (2, null), (3, 'c')`

describe('a table without a key', () => {
  it('gets its rows beside it, and is not touched', async () => {
    await mistake(KEYLESS, `delete from victims where n = 3; update victims set note = 'new' where n = 1`)
    const before = await values('select r::text from victims r order by 1')
    const text = await command('victims')
    expect(text).toMatch(/^# public\.victims has no key/)
    await bash(text)
    expect(await values('select r::text from victims r order by 1')).toEqual(before)
    expect(await values('select n, note, twice from victims_recovered_0a1b2c order by n, note')).toEqual([
      '1 a\\b 2',
      '2 tab\tline\n\\. 4',
      '2  4',
      '3 c 6',
    ])
    const only = await shown(text)
    expect(only).toMatch(/2 rows/)
    expect(only).toMatch(/\(3,c,6,.*\n.*\(1,"a\\\\b"|\(1,"a\\\\b".*\n.*\(3,c,6,/)
  })

  it('is refused a second time, and the first rows beside stay as they are', async () => {
    await mistake(KEYLESS, 'delete from victims')
    const text = await command('victims')
    await bash(text)
    await expect(bash(text)).rejects.toMatchObject({ code: 'PROCESS_FAILED', message: expect.stringContaining('already exists') })
    expect(await values('select count(*) from victims_recovered_0a1b2c')).toEqual(['4'])
  })

  it('is made again where it was dropped', async () => {
    await mistake(KEYLESS, 'drop table victims')
    await copyBack('victims')
    expect(await values('select count(*), sum(twice) from victims')).toEqual(['4 16'])
    expect(await values(`select to_regclass('victims_recovered_0a1b2c')`)).toEqual([''])
  })

  it.each([
    ['a unique column that may be null', 'create table t (a int unique, b text)'],
    ['a key of a part of its rows', 'create table t (a int not null, b text); create unique index on t (a) where a > 1'],
    ['a key of an expression', 'create table t (a int, b text); create unique index on t ((a + 1))'],
    ['a key that is checked at the end only', 'create table t (a int primary key deferrable, b text)'],
    ['an exclusion', 'create table t (a int not null, b text, exclude using btree (a with =))'],
    ['a table that inherits from it', 'create table t (a int primary key, b text); create table heir () inherits (t)'],
  ])('is what one with %s is taken for', async (_, made) => {
    const row = made.includes('heir') ? 'insert into heir' : 'insert into t'
    await mistake(
      `${made}; ${row} values (1, 'here'), (${made.includes('may be') || made.includes('unique,') ? 'null' : '2'}, 'gone')`,
      `delete from t where b = 'gone'`,
    )
    await copyBack('t')
    expect(await values('select b from t')).toEqual(['here'])
    expect(await values('select b from t_recovered_0a1b2c order by 1')).toEqual(['gone', 'here'])
  })

  it('is what one is taken for whose key the live table does not share: each row would get a new number', async () => {
    await mistake(
      `create table t (code text primary key); insert into t values ('x'), ('y')`,
      `alter table t drop constraint t_pkey, add column id serial primary key; delete from t where code = 'y'`,
    )
    await copyBack('t')
    expect(await values('select code from t')).toEqual(['x'])
    expect(await values('select code from t_recovered_0a1b2c order by 1')).toEqual(['x', 'y'])
  })

  it('has a name so long that the one beside would be cut to the same', async () => {
    const name = 'é'.repeat(31)
    await mistake(`create table "${name}" (a int); insert into "${name}" values (1)`, 'select 1')
    await copyBack(`"${name}"`)
    expect(await values(`select relname from pg_class where relname like '%recovered%'`)).toEqual([`${'é'.repeat(23)}_recovered_0a1b2c`])
  })
})

describe('a table with a key', () => {
  const ORDERS = `create table orders (id int generated always as identity primary key, v text, up text generated always as (upper(v)) stored);
    insert into orders (v) select 'v' || n from generate_series(1, 1200) n`

  it('gets back the rows that are gone, and keeps what was changed or came since', async () => {
    await mistake(
      ORDERS,
      `delete from orders where id between 10 and 900; update orders set v = 'new' where id = 1; insert into orders (v) values ('since')`,
    )
    const text = await command('orders')
    expect(text).toMatch(/told by their key \(id\)/)
    await bash(text)
    await bash(text)
    expect(await values('select count(*), min(id), max(id) from orders')).toEqual(['1201 1 1201'])
    expect(await values('select v, up from orders where id in (1, 10, 1201) order by id')).toEqual(['new NEW', 'v10 V10', 'since SINCE'])
    expect(await shown(text)).toBe('1c1\n< (1,v1,V1)\n---\n> (1,new,NEW)\n226a227\n> (1201,since,SINCE)\n')
  })

  it('keeps its sequence where it is, so that the next row is not refused', async () => {
    await mistake(ORDERS, `insert into orders (v) values ('since'); delete from orders where id < 5`)
    await copyBack('orders')
    expect(await values(`insert into orders (v) values ('next') returning id`)).toEqual(['1202'])
  })

  it('has its sequence moved behind the rows that came back, where it was started anew', async () => {
    await mistake(ORDERS, 'truncate orders restart identity')
    await copyBack('orders')
    expect(await values(`insert into orders (v) values ('next') returning id`)).toEqual(['1201'])
  })

  it('is made again with its structure where it was dropped, and once where the live database cannot be asked before', async () => {
    await mistake(ORDERS, 'drop table orders')
    await bash(await command('orders', NOWHERE))
    expect(await values(`insert into orders (v) values ('next') returning id, up`)).toEqual(['1201 NEXT'])
    await expect(
      live(`update orders set id = default where id = 2; insert into orders overriding system value values (1)`),
    ).rejects.toThrow(/orders_pkey/)
  })

  it('may have a key whose columns are words of SQL', async () => {
    await mistake(
      `create table t ("order" int, "user" text, primary key ("order", "user")); insert into t values (1, 'a'), (2, 'b')`,
      'delete from t where "order" = 2',
    )
    await bash(await command('t'))
    expect(await values('select "order" from t order by 1')).toEqual(['1', '2'])
  })

  it('is left alone where it has lost its key since the command was made', async () => {
    await mistake(ORDERS, 'delete from orders where id > 600')
    const text = await command('orders')
    await live('create table other as select * from orders; drop table orders; alter table other rename to orders')
    await expect(bash(text)).rejects.toMatchObject({ message: expect.stringContaining('no unique or exclusion constraint') })
    expect(await values('select count(*) from orders')).toEqual(['600'])
  })

  it('is left alone where the copy goes away halfway', async () => {
    await mistake(ORDERS, 'delete from orders')
    const dump = /pg_dump .*--data-only.*(?= &&)/
    const text = await command('orders')
    expect(text).toMatch(dump)
    await expect(bash(text.replace(dump, (whole) => `{ ${whole} | head -n 700; false; }`))).rejects.toMatchObject({
      code: 'PROCESS_FAILED',
    })
    expect(await values('select count(*) from orders')).toEqual(['0'])
  })

  it('is left alone where the copy is gone before anything was read, and the command says so by its exit code', async () => {
    await mistake(ORDERS, 'delete from orders')
    const text = await command('orders')
    await cluster.query('drop database copy')
    await expect(bash(text)).rejects.toMatchObject({ message: expect.stringContaining('database "copy" does not exist') })
    expect(await values('select count(*) from orders')).toEqual(['0'])
  })

  it('may have lost its sequence', async () => {
    await mistake(
      `create table t (id serial primary key); insert into t values (default), (default)`,
      'drop sequence t_id_seq cascade; delete from t where id = 2',
    )
    await copyBack('t')
    expect(await values('select id from t order by 1')).toEqual(['1', '2'])
  })

  it('never has its sequence set back, even where another session draws from it just then', async () => {
    await mistake(ORDERS, 'truncate orders restart identity')
    const other = await connect(cluster.connection('live'))
    try {
      await other.query('begin; lock table orders in row exclusive mode')
      const copied = copyBack('orders')
      const waits = async () => (await values('select count(*) from pg_locks where not granted'))[0] === '1'
      await Promise.race([copied, until(waits, { timeoutMs: 20_000, what: 'the lock' })])
      await other.query(`select count(nextval('orders_id_seq')) from generate_series(1, 5000); commit`)
      await copied
    } finally {
      await other.end()
    }
    expect(await values(`insert into orders (v) values ('next') returning id`)).toEqual(['5001'])
  })

  it('says which rows do not come back: those that conflict with any unique key of a live row', async () => {
    await mistake(
      `create table t (id int primary key, mail text unique); insert into t values (1, 'a'), (2, 'b')`,
      `delete from t; insert into t values (3, 'a')`,
    )
    const text = await command('t')
    expect(text).toMatch(/^# .* stays away whose key, or any other unique key, a live row has by now/m)
    await bash(text)
    expect(await values('select id, mail from t order by id')).toEqual(['2 b', '3 a'])
    expect(await shown(text)).toContain('< (1,a)')
  })

  it('says what of other tables is not made again with it', async () => {
    await mistake(
      `create table t (id int primary key, boss int references t); insert into t values (1, 1);
       create table "Line" (t int constraint "to T" references t); create view v as select * from t; create view w as select * from v`,
      'drop table t cascade',
    )
    const text = await command('t')
    expect(text).toMatch(/^# public\.t is made again .* of others that went with it: "to T" on public\."Line", public\.v, public\.w\.$/m)
    await bash(text)
    expect(await values(`select id, to_regclass('v') from t`)).toEqual(['1 '])
    expect(await values(`select conname from pg_constraint where contype = 'f'`)).toEqual(['t_boss_fkey'])
  })

  it('may have its columns in another order by now', async () => {
    await mistake(
      `create table t (a text, b text, id int primary key); insert into t values ('a', 'b', 1)`,
      'delete from t; alter table t drop column a; alter table t add column a text',
    )
    await copyBack('t')
    expect(await values('select id, a, b from t')).toEqual(['1 a b'])
  })

  it('may be in parts: gone or with missing rows', async () => {
    const parts = `create table p (id int primary key) partition by range (id);
      create table p1 partition of p for values from (0) to (10); create table p2 partition of p for values from (10) to (20);
      insert into p select generate_series(1, 19)`
    await mistake(parts, 'delete from p where id > 5')
    expect((await look()).tables).toMatchObject([{ name: 'public.p', rows: 19 }])
    await copyBack('p')
    expect(await values('select count(*) as n, count(distinct id) as ids from p')).toEqual(['19 19'])
    await live('drop table p')
    await copyBack('p')
    expect(await values('select count(*) as n, max(tableoid::regclass::text) from p')).toEqual(['19 p2'])
  })
})

describe('triggers and rules of the live table', () => {
  const T = `create table t (id int primary key); insert into t values (1), (2); create table seen (id int)`
  const trigger = (name: string, body: string) =>
    `create function ${name}_f() returns trigger language plpgsql as $$ begin ${body}; return new; end $$;
     create trigger ${name} before insert on t for each row execute function ${name}_f();`
  const withoutTriggers = (text: string) => {
    const line = text.split('\n').find((each) => each.startsWith('# }'))
    return text.replace(/\n\}[^\n]*$/, () => `\n${String(line).slice(2)}`)
  }

  it('are named, with the way to go without them', async () => {
    await mistake(
      `${T}; ${trigger('was', 'insert into public.seen values (-1)')}`,
      `delete from t where id = 2; drop trigger was on t; ${trigger('"Is"', 'insert into seen values (new.id)').replaceAll('"_f', '_f"')}
       create trigger off after insert on t execute function was_f(); alter table t disable trigger off;
       create trigger gone after delete on t execute function was_f()`,
    )
    const text = await command('t')
    expect(text).toContain('\n# Its triggers fire: "Is". ')
    await expect(bash(text)).rejects.toMatchObject({ message: expect.stringContaining('"seen" does not exist') })
    expect(await values('select id from t')).toEqual(['1'])
    await bash(withoutTriggers(text))
    expect(await values('select id from t order by 1')).toEqual(['1', '2'])
    expect(await values('select * from seen')).toEqual([])
  })

  it('are those of the copy where the live database cannot be asked, and none where there are none', async () => {
    await mistake(`${T}; ${trigger('was', 'null')} alter table t enable always trigger was`, 'drop trigger was on t')
    expect(await command('t', NOWHERE)).toContain('\n# Its triggers fire: was (ENABLE ALWAYS). ')
    expect(await command('t')).not.toMatch(/trigger|replica/)
  })

  it('of a partition are those of its table', async () => {
    await mistake(
      'create table t (id int primary key) partition by range (id); create table t1 partition of t for values from (0) to (10)',
      trigger('part', 'null').replace('on t for', 'on t1 for'),
    )
    expect(await command('t')).toContain('\n# Its triggers fire: part. ')
  })

  it.each([
    'create rule r as on update to t do also insert into seen values (1)',
    'create rule r as on insert to t where new.id > 5 do instead nothing',
  ])('leave only the way beside, where it is one as: %s', async (rule) => {
    await mistake(T, `${rule}; delete from t where id = 2`)
    const text = await command('t')
    expect(text).toMatch(/^# public\.t has rules with which PostgreSQL takes no rows by their key: r\.\n/)
    await bash(text)
    expect(await values('select id from t')).toEqual(['1'])
    expect(await values('select id from t_recovered_0a1b2c order by 1')).toEqual(['1', '2'])
  })
})

describe('the connections', () => {
  const T = 'create table t (id int primary key); insert into t values (1), (2)'

  it('are printed whole, without the password', async () => {
    await mistake(T, 'delete from t where id = 2')
    const place = `hostaddr=${cluster.address} port=${cluster.port} user=${cluster.user} dbname=live`
    const full = `${place} sslmode=verify-full sslrootcert='/no/such file' password=hush client_encoding=latin1`
    const text = await command('t', cluster.connection('live'), full)
    expect(text).not.toMatch(/hush|latin1/)
    await expect(bash(text)).rejects.toMatchObject({ message: expect.stringContaining('SSL was required') })
    await bash(await command('t', cluster.connection('live'), place))
    expect(await values('select id from t order by 1')).toEqual(['1', '2'])
  })

  it('keep their options', async () => {
    await mistake(T, 'delete from t where id = 2')
    const into = `${cluster.connection('live')} options='-c default_transaction_read_only=on'`
    await expect(bash(await command('t', cluster.connection('live'), into))).rejects.toMatchObject({
      message: expect.stringContaining('read-only transaction'),
    })
  })
})

describe('odd names', () => {
  const schema = `"My 'own' $chema"`
  const odd = (key: string) =>
    `create schema ${schema}; create type ${schema}."Mood" as enum ('so so');
     create table ${schema}."Or.der; ""x""\n! *" ("Id %s" int generated always as identity ${key}, "sel'ect" ${schema}."Mood", "b\\s" text);
     insert into ${schema}."Or.der; ""x""\n! *" ("sel'ect", "b\\s") values ('so so', 'p'), ('so so', 'q')`
  const table = `${schema}."Or.der; ""x""\n! *"`

  it.each([
    ['with a key', 'primary key', table],
    ['without a key', '', `${schema}."Or.der; ""x""\n! *_recovered_0a1b2c"`],
  ])('are no hindrance to a table %s', async (_, key, into) => {
    await mistake(odd(key), `delete from ${table} where "b\\s" = 'q'`)
    const text = await command(table)
    expect(text.slice(0, text.indexOf('\n( set -o pipefail; {\n')).split('\n')).toSatisfy((lines: string[]) =>
      lines.every((line) => line.startsWith('# ')),
    )
    await bash(text)
    expect(await values(`select * from ${into} order by 1`)).toEqual(['1 so so p', '2 so so q'])
    expect(await values(`select count(*) from ${table}`)).toEqual([key ? '2' : '1'])
  })

  it.each(['primary key', ''])('are no hindrance to one that was dropped with its schema (%s)', async (key) => {
    await mistake(
      odd(key)
        .replaceAll(`${schema}."Mood"`, 'text')
        .replace(/create type [^;]*;/, ''),
      `drop schema ${schema} cascade`,
    )
    await copyBack(table)
    expect(await values(`select * from ${table} order by 1`)).toEqual(['1 so so p', '2 so so q'])
  })
})

describe('a name that no table of the copy has', () => {
  it('is told from a table without rows, however it is written', async () => {
    await mistake('create table empty (a int); create view v as select 1', 'select 1')
    const names = ['nope', 'empty', 'nowhere.empty', 'two words', 'a.b.c.d', '"open', '', 'v']
    const { tables, missing } = await look(...names, 'public.empty')
    expect(tables).toMatchObject([{ name: 'public.empty', rows: 0 }])
    expect(missing).toEqual(names.filter((name) => name !== 'empty'))
  })
})
