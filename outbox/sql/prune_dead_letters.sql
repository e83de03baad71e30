-- Deletes up to 10,000 dead letters that are older than $1 seconds.
delete from connect_provider.dead_letters
where ctid = any (array(
  select ctid from connect_provider.dead_letters
  where died_at < statement_timestamp() - make_interval(secs => $1)
  limit 10000
  for update skip locked))
