-- How the jobs of the organization $1 (token) came out: those named in $2, or, if
-- that is empty, the $3 that had an outcome last. Locks nothing.
with chosen as (
  select job, max(last_decided_at) as last_decided_at
  from connect_provider.job_outcomes
  where org_token = $1 and (cardinality($2::text[]) = 0 or job = any ($2::text[]))
  group by job
  order by max(last_decided_at) desc, job
  limit $3
)
select j.job, j.code, j.commands, j.first_decided_at, j.last_decided_at
from chosen
join connect_provider.job_outcomes j on j.org_token = $1 and j.job = chosen.job
order by chosen.last_decided_at desc, j.job, j.code
