-- The connection of a phone number ($1, E.164). Locks nothing.
select domain_handle, bridge_slug, provider_config_id, provider, connection_version, connected_at
from connect_provider.connections
where phone_number = $1
