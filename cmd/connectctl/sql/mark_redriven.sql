-- Notes that a dead letter has been published again, for the $5th time, as $6,
-- unless somebody else has noted that already.
update connect_provider.dead_letters
set redrives = $5, redriven_at = now(), redriven_as = $6
where lane = $1 and stream_created = $2 and sequence = $3 and message_time = $4 and redrives = $5 - 1
