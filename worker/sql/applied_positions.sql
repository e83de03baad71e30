-- The positions that a lane has applied in a stream, from one sequence to
-- another, in order. Reads the whole inbox: it runs after a disaster only.
select sequence, message_time
from connect_provider.inbox
where lane = $1 and stream_created = $2 and sequence between $3 and $4
order by sequence, generation
