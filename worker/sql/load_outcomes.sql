-- What was decided of the commands $2 (ids) of the organization $1 (token), as
-- far as it is known. Locks nothing. Laterally, so that the index is entered
-- once for each id: plans made for an empty table, of "= any" as of a join, read
-- all rows of the organization.
select i.key, i.lane, i.generation, i.sequence, i.decided_at, i.bridge_slug, i.provider_config_id, i.phone_number, i.provider,
       i.changed, i.connection_version, i.connected_at, i.failure_code, i.failure
from unnest($2::text[]) as wanted(key)
cross join lateral (
  select * from connect_provider.inbox where org_token = $1 and key = wanted.key limit 1) as i
