-- The bridges among ($1, $2) (handle, slug), by their place in the arrays, each
-- with the first and the last of the providers its connections run through
-- (both null: none; equal: one).
select wanted.place,
       (select min(c.provider) from connect_provider.connections c
        where c.domain_handle = wanted.domain_handle and c.bridge_slug = wanted.slug),
       (select max(c.provider) from connect_provider.connections c
        where c.domain_handle = wanted.domain_handle and c.bridge_slug = wanted.slug)
from unnest($1::text[], $2::text[]) with ordinality as wanted(domain_handle, slug, place)
join telephony.bridges b on b.domain_handle = wanted.domain_handle and b.slug = wanted.slug
