-- The acknowledgement: moves the lane's cursor from $4 to $5 ($6 is the new
-- message's time), notes what is known of its events, and renews the lease. No
-- row means that the world is not what this worker thinks: the transaction
-- must not commit.
update connect_provider.lanes
set cursor = $5, cursor_time = $6,
    events_created = $7, last_event = $8,
    replay_from = case when $9::boolean then null else replay_from end,
    replay_until_generation = case when $9 then null else replay_until_generation end,
    replay_until_sequence = case when $9 then null else replay_until_sequence end,
    held_since = null, held_sequence = null, held_error = null,
    skip_sequence = case when skip_sequence <= $5 then null else skip_sequence end,
    skip_reason = case when skip_sequence <= $5 then null else skip_reason end,
    lease_expires_at = clock_timestamp() + make_interval(secs => $10)
where lane = $1 and owner_token = $2 and epoch = $3 and cursor = $4 and generation = $11
