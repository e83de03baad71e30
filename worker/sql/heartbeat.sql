-- Says that a worker lives, forgets those that have not been seen for a day,
-- and returns how many are live: seen within $4 seconds.
with beat as (
  insert into connect_provider.workers (worker, name, version, started_at, seen_at)
  values ($1, $2, $3, clock_timestamp(), clock_timestamp())
  on conflict (worker) do update set seen_at = clock_timestamp()
), forgotten as (
  delete from connect_provider.workers
  where seen_at < clock_timestamp() - interval '1 day' and worker <> $1
)
select 1 + count(*) from connect_provider.workers
where worker <> $1 and seen_at > clock_timestamp() - make_interval(secs => $4)
