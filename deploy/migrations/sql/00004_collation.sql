-- +goose Up

-- Keys compare by their bytes. A language's order costs a quarter more at every
-- look-up, and changes with the operating system: unique indexes that were
-- sorted by the older one then miss rows. Rebuilds these tables' indexes, under
-- an exclusive lock (half a minute for ten million rows); rewrites no table.
alter table connect_provider.connections
  alter phone_number type text collate "C",
  alter domain_handle type text collate "C",
  alter bridge_slug type text collate "C",
  alter provider type text collate "C";
alter table connect_provider.inbox
  alter org_token type text collate "C",
  alter key type text collate "C";
alter table connect_provider.outbox alter lane type text collate "C";
alter table connect_provider.lanes alter lane type text collate "C";
alter table connect_provider.dead_letters alter lane type text collate "C";
alter table connect_provider.pauses
  alter class type text collate "C",
  alter org_token type text collate "C";
alter table connect_provider.purge_marks alter class type text collate "C";
alter table connect_provider.job_outcomes
  alter org_token type text collate "C",
  alter job type text collate "C",
  alter code type text collate "C";
