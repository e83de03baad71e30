-- Notes that a lane is held at a command, and returns whether an operator has
-- asked to skip just that one.
update connect_provider.lanes
set held_since = coalesce(held_since, clock_timestamp()), held_sequence = $4, held_error = $5
where lane = $1 and owner_token = $2 and epoch = $3
returning coalesce(skip_sequence = $4, false), coalesce(skip_reason, '')
