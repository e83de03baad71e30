-- Those of the roles $1 that exist, in that order.
select wanted.name
from unnest($1::text[]) with ordinality as wanted(name, place)
join pg_roles r on r.rolname = wanted.name
order by wanted.place
