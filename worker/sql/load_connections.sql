-- The connections of the phone numbers $1 (E.164).
select phone_number, domain_handle, bridge_slug, provider_config_id, provider, connection_version, connected_at
from connect_provider.connections
where phone_number = any ($1::text[])
