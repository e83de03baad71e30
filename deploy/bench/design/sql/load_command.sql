-- All that one command can touch: organization $1, bridge $2, configuration $3,
-- number $4, the number's connection, one connection of the bridge through another
-- provider, and what was decided under the key $6 of the organization's token $5; if
-- that has another digest than $7, also what was under $8. One row, null where
-- nothing is there.
select o.one_provider_per_bridge, b.slug, p.provider, p.active, n.domain_handle, n.provider_config_id, n.active,
       c.domain_handle, c.bridge_slug, c.provider_config_id, c.provider, c.connection_version, c.connected_at,
       other.phone_number, other.provider_config_id, other.provider, other.connection_version, other.connected_at,
       i.digest,
       case when i.digest <> $7 then (select digest from connect_provider.inbox where org_token = $5 and key = $8) end
from (values (1)) as one
left join telephony.organizations o on o.domain_handle = $1
left join telephony.bridges b on b.domain_handle = $1 and b.slug = $2
left join telephony.provider_configurations p on p.domain_handle = $1 and p.id = $3
left join telephony.phone_numbers n on n.phone_number = $4
left join connect_provider.connections c on c.phone_number = $4
left join connect_provider.inbox i on i.org_token = $5 and i.key = $6
left join lateral (
  select * from connect_provider.connections x
  where x.domain_handle = $1 and x.bridge_slug = $2 and x.provider <> p.provider and x.phone_number <> $4
  limit 1) as other on true
