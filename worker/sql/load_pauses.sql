-- What is paused of a class ($1), among the organization tokens $2; the empty
-- one is the whole class. It comes first.
select org_token, reason, paused_at
from connect_provider.pauses
where class = $1 and org_token = any ($2::text[])
order by org_token
