-- All that is paused, whole classes first.
select class, org_token, reason, paused_at
from connect_provider.pauses
order by org_token, class desc
