-- Remembers what was decided of one command.
insert into connect_provider.inbox
  (decided_at, lane, stream_created, generation,
   org_token, key, digest, sequence, message_time, bridge_slug, provider_config_id, phone_number,
   provider, changed, connection_version, connected_at, failure_code, failure)
values (now(), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
