-- Claims up to $3 lanes of a class that nobody has, or whose lease is over,
-- under a new epoch and a new random token each. Skips rows that are locked:
-- their owner is at work.
with free as (
  select lane from connect_provider.lanes
  where class = $2 and (owner is null or lease_expires_at < clock_timestamp())
  order by owner nulls first, lane
  limit $3
  for update skip locked
)
update connect_provider.lanes l
set owner = $1, owner_token = gen_random_uuid(), epoch = l.epoch + 1,
    lease_expires_at = clock_timestamp() + make_interval(secs => $4)
from free
where l.lane = free.lane
returning l.lane, l.owner_token, l.epoch, l.stream_created, l.generation, l.cursor, l.cursor_time,
          l.events_created, l.last_event, l.replay_from, l.replay_until_generation, l.replay_until_sequence
