-- Puts a number on a bridge, or moves it to another configuration there.
insert into connect_provider.connections
  (phone_number, domain_handle, bridge_slug, provider_config_id, provider, connection_version, connected_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (phone_number) do update
set provider_config_id = excluded.provider_config_id, provider = excluded.provider,
    connection_version = excluded.connection_version, connected_at = excluded.connected_at
