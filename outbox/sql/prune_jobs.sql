-- Removes up to 10,000 counts of jobs' outcomes of which there was none in the
-- last $1 seconds. Skips rows that another transaction holds.
delete from connect_provider.job_outcomes
where ctid = any (array(
  select ctid from connect_provider.job_outcomes
  where last_decided_at < statement_timestamp() - make_interval(secs => $1)
  limit 10000
  for update skip locked))
