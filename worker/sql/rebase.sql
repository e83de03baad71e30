-- Begins a new generation of a lane at another place of its stream, or of
-- another stream. What was to be decided again in an earlier generation is not
-- there to be: the span is forgotten, or the lane would look restored for as
-- long as it is idle.
update connect_provider.lanes
set stream_created = $6, generation = $7, cursor = $8, cursor_time = $9,
    replay_from = case when replay_until_generation >= $7 then replay_from end,
    replay_until_sequence = case when replay_until_generation >= $7 then replay_until_sequence end,
    replay_until_generation = case when replay_until_generation >= $7 then replay_until_generation end
where lane = $1 and owner_token = $2 and epoch = $3 and cursor = $4 and generation = $5
