-- Deletes up to 10,000 inbox rows that were decided more than $1 seconds ago.
-- Skips rows that another transaction holds.
delete from connect_provider.inbox
where ctid = any (array(
  select ctid from connect_provider.inbox
  where decided_at < statement_timestamp() - make_interval(secs => $1)
  limit 10000
  for update skip locked))
