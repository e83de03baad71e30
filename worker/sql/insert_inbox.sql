-- Remembers what was decided. A key that exists already fails the transaction
-- (23505), which then decides again.
insert into connect_provider.inbox
  (lane, stream_created, generation, decided_at,
   org_token, key, digest, sequence, message_time, bridge_slug, provider_config_id, phone_number,
   provider, changed, connection_version, connected_at, failure_code, failure)
select $1, $2, $3, $4, n.*
from unnest($5::text[], $6::text[], $7::bytea[], $8::bigint[], $9::bigint[], $10::text[], $11::bigint[], $12::text[],
            $13::text[], $14::boolean[], $15::bigint[], $16::timestamptz[], $17::text[], $18::jsonb[]) as n
