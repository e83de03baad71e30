-- Extends the leases on lanes $1 that are still held under the tokens $2, and
-- returns those tokens with what the rows say of cursor and last event. A row that is locked is left
-- alone: its own batch renews it.
with mine as (
  select l.lane, l.owner_token, l.generation, l.cursor, l.events_created, l.last_event from connect_provider.lanes l
  join unnest($1::text[], $2::uuid[]) as held(lane, token) on l.lane = held.lane and l.owner_token = held.token
), free as (
  select l.lane from connect_provider.lanes l
  where l.lane in (select lane from mine) and l.owner_token = any ($2::uuid[])
  for update skip locked
), renewed as (
  update connect_provider.lanes l
  set lease_expires_at = clock_timestamp() + make_interval(secs => $3)
  from free where l.lane = free.lane
)
select owner_token, generation, cursor, events_created, last_event from mine
