-- Who owns the relation $1, or the schema $1 where $2 says so, and whether this
-- session has the owner's rights.
select o.rolname::text, pg_has_role(o.oid, 'usage')
from pg_roles o
where o.oid = case when $2::boolean then (select nspowner from pg_namespace where nspname = $1::text)
                   else (select relowner from pg_class where oid = to_regclass($1::text)) end
