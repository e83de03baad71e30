-- Counts outcomes of jobs: ($1, $2, $3) (organization token, job, code), $4 of
-- each. The partition's lock keeps others away from the rows.
insert into connect_provider.job_outcomes as j (org_token, job, code, commands, first_decided_at, last_decided_at)
select n.org_token, n.job, n.code, n.commands, now(), now()
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) as n(org_token, job, code, commands)
on conflict (org_token, job, code) do update
set commands = j.commands + excluded.commands, last_decided_at = greatest(j.last_decided_at, excluded.last_decided_at)
