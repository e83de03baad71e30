-- What was decided of the commands $2 (ids) of the organization $1 (token), as
-- far as it is known. Locks nothing.
select key, lane, generation, sequence, decided_at, bridge_slug, provider_config_id, phone_number, provider,
       changed, connection_version, connected_at, failure_code, failure
from connect_provider.inbox
where org_token = $1 and key = any ($2::text[])
