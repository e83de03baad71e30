-- The connections of a batch.
insert into connect_provider.connections
  (phone_number, domain_handle, bridge_slug, provider_config_id, provider, connection_version, connected_at)
select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::timestamptz[])
