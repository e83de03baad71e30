-- Says that a worker lives and will for $4 seconds, forgets those that have not
-- been seen for a day, and returns how many live.
with beat as (
  insert into connect_provider.workers (worker, name, version, started_at, seen_at, expires_at)
  values ($1, $2, $3, clock_timestamp(), clock_timestamp(), clock_timestamp() + make_interval(secs => $4))
  on conflict (worker) do update set seen_at = excluded.seen_at, expires_at = excluded.expires_at
), forgotten as (
  delete from connect_provider.workers
  where seen_at < clock_timestamp() - interval '1 day' and worker <> $1
)
select 1 + count(*) from connect_provider.workers
where worker <> $1 and expires_at > clock_timestamp()
