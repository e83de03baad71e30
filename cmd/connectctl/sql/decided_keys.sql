-- What was decided of an organization's ($1 its token) commands with the ids $2.
select key, coalesce(failure_code, ''), coalesce(failure ->> 'message', ''), decided_at
from connect_provider.inbox
where org_token = $1 and key = any ($2::text[])
