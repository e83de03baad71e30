-- How many organizations other than $2 have had commands decided in the lanes
-- $1 within the last 24 hours, and the tokens of the busiest five.
select count(*), coalesce((array_agg(org_token order by commands desc, org_token))[1:5], '{}')
from (
  select org_token, count(*) as commands
  from connect_provider.inbox
  where lane = any ($1::text[]) and org_token <> $2 and decided_at > now() - interval '24 hours'
  group by org_token
) as neighbours
