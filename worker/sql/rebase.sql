-- Begins a new generation of a lane at another place of its stream, or of
-- another stream.
update connect_provider.lanes
set stream_created = $6, generation = $7, cursor = $8, cursor_time = $9
where lane = $1 and owner_token = $2 and epoch = $3 and cursor = $4 and generation = $5
