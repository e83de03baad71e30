-- The connections of all numbers of a workload's organizations $1 up to, not
-- including, $2; $3 organizations of $4 bridges with $5 numbers each, as
-- workload.Command numbers them.
insert into connect_provider.connections
  (phone_number, domain_handle, bridge_slug, provider_config_id, provider, connection_version, connected_at)
select '+998' || lpad((o + $3::int * k)::text, 8, '0'), 'grown-' || o, 'bridge-' || k % $4::int, 1, 'twilio', 1, now()
from generate_series($1::int, $2::int - 1) as o, generate_series(0, $4::int * $5::int - 1) as k
