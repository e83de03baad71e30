-- Asks the owner of a lane to give up the command at which it is held, if it is
-- held at just that one. Returns the time, for the answer.
update connect_provider.lanes
set skip_sequence = $2, skip_reason = $3
where lane = $1 and held_sequence = $2
returning clock_timestamp()
