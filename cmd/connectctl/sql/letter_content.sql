-- What a dead letter holds, and how often it has been redriven.
select subject, headers, body, redrives
from connect_provider.dead_letters
where lane = $1 and stream_created = $2 and sequence = $3 and message_time = $4
