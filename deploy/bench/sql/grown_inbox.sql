-- The inbox rows of the same commands: they came from a stream that is no more.
insert into connect_provider.inbox
  (lane, stream_created, generation, decided_at,
   org_token, key, digest, sequence, message_time, bridge_slug, provider_config_id, phone_number,
   provider, changed, connection_version, connected_at)
select 'b' || o % 16, 1, 1, now(),
       'grown-' || o, 'grown:' || n, decode(md5(n::text), 'hex'), n + 1, 1, 'bridge-' || k % $4::int, 1, '+998' || lpad(n::text, 8, '0'),
       'twilio', true, 1, now()
from generate_series($1::int, $2::int - 1) as o, generate_series(0, $4::int * $5::int - 1) as k, lateral (select o + $3::int * k as n) as numbered
