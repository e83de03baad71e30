-- What each database role may do: no more than its programs do. Applied by
-- `connect-provider migrate` to those of the roles that exist
-- (deploy/postgres/roles.sql makes them), in place of what it had granted on
-- the same objects before. One object and one role in each statement. Workers
-- of the release before run on while this is applied: what they still need
-- stays for one release longer.
--
-- The owner of both schemas, connect_provider_migrate, needs no grants. A platform
-- that brings tables or views of its own is asked for rights to read them only.

-- The worker reads the platform's tables, except the tokens, and keeps its own.
grant usage on schema telephony to connect_provider_worker;
grant select on telephony.organizations to connect_provider_worker;
grant select on telephony.bridges to connect_provider_worker;
grant select on telephony.provider_configurations to connect_provider_worker;
grant select on telephony.phone_numbers to connect_provider_worker;

grant usage on schema connect_provider to connect_provider_worker;
grant select on connect_provider.schema_version to connect_provider_worker;
grant select on connect_provider.schema_compatibility to connect_provider_worker;
grant select, insert, update on connect_provider.lanes to connect_provider_worker;
grant select, insert, update, delete on connect_provider.workers to connect_provider_worker;
grant select, insert, update on connect_provider.connections to connect_provider_worker;
grant select, insert, delete on connect_provider.outbox to connect_provider_worker;
grant select on connect_provider.pauses to connect_provider_worker;
grant select, insert, delete on connect_provider.purge_marks to connect_provider_worker;
grant select, insert, delete on connect_provider.inbox to connect_provider_worker;
grant select, insert, delete on connect_provider.dead_letters to connect_provider_worker;
grant select, insert, update, delete on connect_provider.job_outcomes to connect_provider_worker;
-- Pruning locks the rows that it removes, and a lock takes the right to change
-- some column: here one that decides nothing.
grant update (decided_at) on connect_provider.inbox to connect_provider_worker;
grant update (died_at) on connect_provider.dead_letters to connect_provider_worker;

-- The gateway looks up whose token it was shown; all else it learns over NATS.
grant usage on schema telephony to connect_provider_gateway;
grant select on telephony.api_tokens to connect_provider_gateway;

-- The reader looks at everything but the tokens.
grant usage on schema telephony to connect_provider_reader;
grant select on telephony.organizations to connect_provider_reader;
grant select on telephony.bridges to connect_provider_reader;
grant select on telephony.provider_configurations to connect_provider_reader;
grant select on telephony.phone_numbers to connect_provider_reader;

grant usage on schema connect_provider to connect_provider_reader;
grant select on connect_provider.schema_version to connect_provider_reader;
grant select on connect_provider.schema_compatibility to connect_provider_reader;
grant select on connect_provider.lanes to connect_provider_reader;
grant select on connect_provider.workers to connect_provider_reader;
grant select on connect_provider.connections to connect_provider_reader;
grant select on connect_provider.outbox to connect_provider_reader;
grant select on connect_provider.pauses to connect_provider_reader;
grant select on connect_provider.purge_marks to connect_provider_reader;
grant select on connect_provider.inbox to connect_provider_reader;
grant select on connect_provider.dead_letters to connect_provider_reader;
grant select on connect_provider.job_outcomes to connect_provider_reader;

-- The operator is a reader (roles.sql) that can pause, skip a command that
-- holds its lane, redrive or discard dead letters, and make and revoke tokens: it
-- can publish for any organization over NATS as it is.
grant insert, delete on connect_provider.pauses to connect_provider_operator;
grant update (skip_sequence, skip_reason) on connect_provider.lanes to connect_provider_operator;
grant delete on connect_provider.dead_letters to connect_provider_operator;
grant update (redrives, redriven_at, redriven_as) on connect_provider.dead_letters to connect_provider_operator;
grant select, insert, delete on telephony.api_tokens to connect_provider_operator;
