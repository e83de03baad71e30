-- The provider configurations among ($1, $2) (handle, id), by their place in the arrays.
select wanted.place, p.provider, p.active
from unnest($1::text[], $2::bigint[]) with ordinality as wanted(domain_handle, id, place)
join telephony.provider_configurations p on p.domain_handle = wanted.domain_handle and p.id = wanted.id
