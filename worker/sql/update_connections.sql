-- Moves numbers to another provider configuration on the bridge they are on.
-- Rows that changed since they were read are left out: the caller compares
-- the count and decides again.
update connect_provider.connections c
set provider_config_id = n.provider_config_id, provider = n.provider,
    connection_version = n.connection_version, connected_at = n.connected_at
from unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::timestamptz[], $6::bigint[])
  as n(phone_number, provider_config_id, provider, connection_version, connected_at, loaded_version)
where c.phone_number = n.phone_number and c.connection_version = n.loaded_version
