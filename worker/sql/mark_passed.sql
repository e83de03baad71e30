-- Notes that every lane of class $1 has applied the stream made at $2 up to
-- sequence $3, a hundred times in a window of $4 seconds at most, forgets the
-- marks that tell nothing more, and returns up to where it had come when the
-- window began, 0 if that is not known.
with outdated as (
  delete from connect_provider.purge_marks m
  where m.class = $1 and (m.stream_created <> $2 or m.sequence > $3 or m.marked_at < (
    select max(b.marked_at) from connect_provider.purge_marks b
    where b.class = $1 and b.stream_created = $2 and b.marked_at <= statement_timestamp() - make_interval(secs => $4)))
), marked as (
  insert into connect_provider.purge_marks (class, stream_created, sequence, marked_at)
  select $1, $2, $3, statement_timestamp()
  where not exists (
    select from connect_provider.purge_marks m
    where m.class = $1 and m.stream_created = $2 and m.marked_at > statement_timestamp() - make_interval(secs => $4 / 100))
)
select coalesce(max(m.sequence), 0) from connect_provider.purge_marks m
where m.class = $1 and m.stream_created = $2 and m.sequence <= $3 and m.marked_at <= statement_timestamp() - make_interval(secs => $4)
