-- +goose Up

-- What an operator has stopped: nothing of it is decided while the row stands.
-- The commands wait in their stream.
create table connect_provider.pauses (
  class     text        not null check (class in ('c', 'b')),
  -- an organization's token as in subjects, '' for the whole class
  org_token text        not null default '',
  reason    text        not null check (reason <> ''),
  paused_at timestamptz not null default now(),
  primary key (class, org_token)
);

-- A dead letter can be published again, as another command.
alter table connect_provider.dead_letters
  add redrives    integer not null default 0 check (redrives >= 0),
  add redriven_at timestamptz,
  -- the command id of the last attempt, '' where the bytes carry none
  add redriven_as text,
  add constraint redriven check ((redrives = 0) = (redriven_at is null) and num_nulls(redriven_at, redriven_as) in (0, 2));

-- How far all lanes of a class had come at some times, so that the replay window
-- counts from when commands were applied.
create table connect_provider.purge_marks (
  class          text        not null check (class in ('c', 'b')),
  stream_created bigint      not null,
  sequence       bigint      not null,
  marked_at      timestamptz not null,
  primary key (class, stream_created, marked_at)
);
