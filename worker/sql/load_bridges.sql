-- The bridges among ($1, $2) (handle, slug), by their place in the arrays, each
-- with the first and the last of the providers its connections run through
-- (both null: none; last null: one). The last is looked for behind the first, so
-- that a bridge without connections costs one look.
select wanted.place, first.provider, last.provider
from unnest($1::text[], $2::text[]) with ordinality as wanted(domain_handle, slug, place)
join telephony.bridges b on b.domain_handle = wanted.domain_handle and b.slug = wanted.slug
left join lateral (
  select c.provider from connect_provider.connections c
  where c.domain_handle = wanted.domain_handle and c.bridge_slug = wanted.slug
  order by c.provider limit 1) as first on true
left join lateral (
  select c.provider from connect_provider.connections c
  where c.domain_handle = wanted.domain_handle and c.bridge_slug = wanted.slug and c.provider > first.provider
  order by c.provider desc limit 1) as last on true
