-- What operators have paused. Locks nothing.
select class, org_token, reason, paused_at, extract(epoch from statement_timestamp() - paused_at)::float8
from connect_provider.pauses
order by class desc, org_token
