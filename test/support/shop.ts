/** A small database with one of everything that a dump has to carry. */
import type { Cluster } from '../../scripts/toolbox/postgres.ts'

export async function fillShop(cluster: Cluster, database: string): Promise<void> {
  await cluster.query(
    `do $$ begin if not exists (select from pg_roles where rolname = 'clerk') then create role clerk login; end if; end $$`,
  )
  await cluster.query(
    `alter database ${database} set work_mem to '5MB'; alter role clerk in database ${database} set search_path to sales, public; comment on database ${database} is 'a shop'`,
    database,
  )
  await cluster.query(
    `
    create extension if not exists pgcrypto;
    create schema sales authorization clerk;
    create schema "Odd Name";
    create type sales.state as enum ('open', 'paid', 'sent');
    create domain sales.amount as numeric(12, 2) check (value >= 0);
    create table sales.orders (
      id serial primary key, state sales.state not null default 'open', note text, total sales.amount, kind varchar(10) check (kind in ('retail', 'bulk')),
      made timestamptz not null default now(), ratio double precision, doc jsonb, raw bytea, span interval, net int generated always as (2 * 3) stored);
    insert into sales.orders (state, note, total, kind, made, ratio, doc, raw, span)
      select (array['open', 'paid', 'sent'])[1 + i % 3]::sales.state, md5(i::text), i / 7.0, case when i % 2 = 0 then 'retail' else 'bulk' end,
        timestamptz '2024-01-01 00:00+00' + i * interval '37 minutes', sqrt(i), jsonb_build_object('i', i, 'x', md5(i::text)), decode(md5(i::text), 'hex'), i * interval '1 hour'
      from generate_series(1, 5000) i;
    create index orders_note on sales.orders (note);
    alter table sales.orders owner to clerk;
    create table sales.lines (order_id int not null references sales.orders, line int, price numeric, primary key (order_id, line));
    insert into sales.lines select 1 + i % 5000, i, i * 1.25 from generate_series(1, 8000) i;
    create table sales.events (id int, at date not null, what text) partition by range (at);
    create table sales.events_2024 partition of sales.events for values from ('2024-01-01') to ('2025-01-01');
    create table sales.events_rest partition of sales.events default;
    insert into sales.events select i, date '2024-03-03' + (i - 3) * 30, md5(i::text) from generate_series(1, 40) i;
    create table "Odd Name"."T.x" (id int primary key, "holdfast_row" text);
    insert into "Odd Name"."T.x" values (1, 'quoted ''"\\ and back'), (2, null), (3, E'tab\\tand\\nline');
    create table empty ();
    create sequence "Odd Name"."count down" increment -5 maxvalue 1000 start 1000;
    select nextval('"Odd Name"."count down"');
    create view sales.paid as select * from sales.orders where state = 'paid' and kind in ('retail', 'bulk');
    create materialized view sales.totals as select kind, sum(total) as total from sales.orders group by kind;
    create function sales.twice(x int) returns int language sql immutable as $f$ select x * 2 $f$;
    create function sales.touch() returns trigger language plpgsql as $f$ begin new.made := now(); return new; end $f$;
    create trigger touch before update of total on sales.orders for each row execute function sales.touch();
    create policy own on sales.lines for select to clerk using (price > 0);
    grant select on all tables in schema sales to clerk;
    create publication orders for table sales.orders;
    select lo_from_bytea(4711, convert_to(repeat('abcdefghij', 200000), 'utf8'));
    select lo_from_bytea(4712, '');
  `,
    database,
  )
}
