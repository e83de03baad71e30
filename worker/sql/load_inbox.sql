-- What was decided of the messages ($1, $2) (organization token, inbox key), by
-- their place in the arrays.
select wanted.place, i.digest
from unnest($1::text[], $2::text[]) with ordinality as wanted(org_token, key, place)
join connect_provider.inbox i on i.org_token = wanted.org_token and i.key = wanted.key
