-- The inbox rows of a batch.
insert into connect_provider.inbox
  (lane, stream_created, generation, decided_at,
   org_token, key, digest, sequence, message_time, bridge_slug, provider_config_id, phone_number,
   provider, changed, connection_version, connected_at, failure_code, failure)
select $1, $2, $3, now(), n.*
from unnest($4::text[], $5::text[], $6::bytea[], $7::bigint[], $8::bigint[], $9::text[], $10::bigint[], $11::text[],
            $12::text[], $13::boolean[], $14::bigint[], $15::timestamptz[], $16::text[], $17::jsonb[]) as n
