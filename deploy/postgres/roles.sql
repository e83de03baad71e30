-- The database roles of connect-provider, in the database that it uses. Run as
-- a superuser, any number of times; what exists stays. They can't log in: give
-- one of them to each login that your programs use, as logins.sh does.
--
-- `connect-provider migrate`, run as connect_provider_migrate, grants the others
-- what they need of the tables (deploy/migrations/grants.sql). Where schema
-- telephony belongs to a platform already, its owner lets the migration look
-- into it and add what is not there, and says who may read its views:
--   grant usage, create on schema telephony to connect_provider_migrate;
do $$
declare
  role text;
begin
  foreach role in array array[
    'connect_provider_migrate',   -- owns both schemas
    'connect_provider_worker',    -- decides commands
    'connect_provider_gateway',   -- looks up tokens
    'connect_provider_reader',    -- looks, at everything but tokens
    'connect_provider_operator'   -- a reader that may also pause, skip, redrive and discard, and make tokens
  ] loop
    if not exists (select from pg_roles where rolname = role) then
      execute format('create role %I nologin', role);
    end if;
    execute format('grant connect on database %I to %I', current_database(), role);
  end loop;
  grant connect_provider_reader to connect_provider_operator;
  -- the two schemas
  execute format('grant create on database %I to connect_provider_migrate', current_database());
end $$;
