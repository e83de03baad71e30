-- +goose Up

-- The platform's side. Created only where the platform has nothing of the name
-- ("if not exists" also respects views).
create schema if not exists telephony;

create table if not exists telephony.organizations (
  domain_handle           text primary key check (domain_handle <> '' and octet_length(domain_handle) <= 255),
  one_provider_per_bridge boolean not null default true
);

create table if not exists telephony.api_tokens (
  token_sha256  bytea primary key check (octet_length(token_sha256) = 32),
  domain_handle text not null references telephony.organizations,
  label         text not null default '',
  created_at    timestamptz not null default now()
);

create table if not exists telephony.bridges (
  domain_handle text not null references telephony.organizations,
  slug          text not null check (slug <> '' and octet_length(slug) <= 255),
  primary key (domain_handle, slug)
);

create table if not exists telephony.provider_configurations (
  domain_handle text    not null references telephony.organizations,
  id            bigint  not null,
  provider      text    not null check (provider <> '' and octet_length(provider) <= 255),
  active        boolean not null default true,
  primary key (domain_handle, id)
);

create table if not exists telephony.phone_numbers (
  phone_number       text primary key check (phone_number ~ '^\+[1-9][0-9]{1,14}$'),
  domain_handle      text    not null,
  provider_config_id bigint  not null,
  active             boolean not null default true,
  foreign key (domain_handle, provider_config_id) references telephony.provider_configurations
);

-- The worker's side.

-- Which binaries may use this schema: those built for schema oldest_binary or newer.
create table connect_provider.schema_compatibility (
  only_row      boolean primary key default true check (only_row),
  oldest_binary bigint not null
);
insert into connect_provider.schema_compatibility (oldest_binary) values (1);

-- A number on a bridge. The key is the rule that a number is on one bridge at most.
create table connect_provider.connections (
  phone_number       text primary key check (phone_number ~ '^\+[1-9][0-9]{1,14}$'),
  domain_handle      text        not null,
  bridge_slug        text        not null,
  provider_config_id bigint      not null,
  provider           text        not null,
  connection_version bigint      not null check (connection_version > 0),
  connected_at       timestamptz not null
);
-- Answers "which providers does this bridge run through" without touching the table.
create index connections_by_bridge on connect_provider.connections (domain_handle, bridge_slug, provider);

-- One row for each partition of a command stream. Times of messages and streams
-- are unix nanoseconds, JetStream's own resolution.
create table connect_provider.lanes (
  lane                    text primary key check (lane ~ '^[cb](0|[1-9][0-9]{0,3})$'),
  class                   text   not null check (class in ('c', 'b') and class = left(lane, 1)),
  stream_created          bigint not null default 0,
  generation              bigint not null default 0 check (generation >= 0),
  cursor                  bigint not null default 0 check (cursor >= 0),
  cursor_time             bigint not null default 0,
  epoch                   bigint not null default 0,
  owner                   uuid,
  owner_token             uuid,
  lease_expires_at        timestamptz,
  events_created          bigint not null default 0,
  last_event              bigint not null default 0,
  replay_from             bigint,
  replay_until_generation bigint,
  replay_until_sequence   bigint,
  held_since              timestamptz,
  held_sequence           bigint,
  held_error              text,
  skip_sequence           bigint,
  skip_reason             text,
  check (num_nulls(owner, owner_token, lease_expires_at) in (0, 3)),
  check (num_nulls(replay_from, replay_until_generation, replay_until_sequence) in (0, 3)),
  check (num_nulls(held_since, held_sequence, held_error) in (0, 3)),
  check (num_nulls(skip_sequence, skip_reason) in (0, 2)),
  -- a cursor means something only in a stream that is known
  check (cursor = 0 or (stream_created <> 0 and generation > 0 and cursor_time <> 0))
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create table connect_provider.workers (
  worker     uuid primary key,
  name       text        not null,
  version    text        not null,
  started_at timestamptz not null,
  seen_at    timestamptz not null,
  expires_at timestamptz not null
) with (fillfactor = 50);

-- What was decided, one row for each command; the key is the command id, or, for
-- messages that have none or whose id was taken, their position in the stream
-- ('@created/sequence/time', which no command id can look like).
create table connect_provider.inbox (
  org_token          text        not null,
  key                text        not null,
  digest             bytea       not null check (octet_length(digest) = 16),
  lane               text        not null,
  stream_created     bigint      not null,
  generation         bigint      not null,
  sequence           bigint      not null,
  message_time       bigint      not null,
  decided_at         timestamptz not null,
  bridge_slug        text,
  provider_config_id bigint,
  phone_number       text,
  provider           text,
  changed            boolean     not null,
  connection_version bigint,
  connected_at       timestamptz,
  failure_code       text,
  failure            jsonb,
  primary key (org_token, key),
  -- connected with a version, or failed with a reason, never both, never neither
  check (num_nulls(failure_code, connection_version) = 1),
  check (num_nulls(failure_code, failure) in (0, 2)),
  check (num_nulls(connection_version, connected_at) in (0, 2)),
  check (connection_version is null or num_nulls(bridge_slug, provider_config_id, phone_number, provider) = 0),
  check (failure_code is null or not changed)
) with (autovacuum_vacuum_insert_scale_factor = 0.05);
-- Rows come in the order of this column, so a block range index finds the old ones for almost nothing.
create index inbox_by_time on connect_provider.inbox using brin (decided_at) with (pages_per_range = 32, autosummarize = on);

-- Outcome events on their way to the events stream. Rows live for milliseconds.
create table connect_provider.outbox (
  lane       text   not null,
  generation bigint not null,
  sequence   bigint not null,
  subject    text   not null,
  payload    bytea  not null,
  primary key (lane, generation, sequence)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000000);

-- Messages that nobody could act on, with their bytes.
create table connect_provider.dead_letters (
  lane           text        not null,
  stream_created bigint      not null,
  sequence       bigint      not null,
  message_time   bigint      not null,
  generation     bigint      not null,
  org_token      text        not null,
  subject        text        not null,
  headers        bytea       not null,
  body           bytea       not null,
  code           text        not null,
  error          text        not null,
  died_at        timestamptz not null,
  primary key (lane, stream_created, sequence, message_time)
);
create index dead_letters_by_time on connect_provider.dead_letters (died_at);
