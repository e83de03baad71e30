-- For each bridge of ($1, $2) (handle, slug), by its place in the arrays: every
-- provider its connections run through, with their number, counted up to $3.
-- Steps from provider to provider through the index, so that a bridge of a
-- million numbers costs no more than a small one.
with recursive found as (
  select wanted.place, wanted.domain_handle, wanted.slug,
         (select min(c.provider) from connect_provider.connections c
          where c.domain_handle = wanted.domain_handle and c.bridge_slug = wanted.slug) as provider
  from unnest($1::text[], $2::text[]) with ordinality as wanted(domain_handle, slug, place)
  union all
  select found.place, found.domain_handle, found.slug,
         (select min(c.provider) from connect_provider.connections c
          where c.domain_handle = found.domain_handle and c.bridge_slug = found.slug and c.provider > found.provider)
  from found
  where found.provider is not null
)
select found.place, found.provider,
       (select count(*) from (
          select from connect_provider.connections c
          where c.domain_handle = found.domain_handle and c.bridge_slug = found.slug and c.provider = found.provider
          limit $3) as counted)
from found
where found.provider is not null
