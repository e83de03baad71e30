-- The acknowledgement: moves the lane's cursor from $4 to $5 ($6 is the new
-- message's time), notes what is known of its events, forgets the span ($9, $10,
-- $11) if it is the one that was being replayed, and renews the lease. No row
-- means that the world is not what this worker thinks: the transaction must
-- not commit.
update connect_provider.lanes
set cursor = $5, cursor_time = $6,
    events_created = $7, last_event = $8,
    (replay_from, replay_until_generation, replay_until_sequence) = (
      select r.* from (values (replay_from, replay_until_generation, replay_until_sequence)) as r(f, g, s)
      where (r.f, r.g, r.s) is distinct from ($9::bigint, $10::bigint, $11::bigint)),
    held_since = null, held_sequence = null, held_error = null,
    skip_sequence = case when skip_sequence <= $5 then null else skip_sequence end,
    skip_reason = case when skip_sequence <= $5 then null else skip_reason end,
    lease_expires_at = clock_timestamp() + make_interval(secs => $12)
where lane = $1 and owner_token = $2 and epoch = $3 and cursor = $4 and generation = $13
