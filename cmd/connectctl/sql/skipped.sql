-- What became of a lane's ($1) command of a stream ($2) and sequence ($3) since a
-- time ($4): its failure code, '' if it was connected.
select coalesce(failure_code, '')
from connect_provider.inbox
where lane = $1 and stream_created = $2 and sequence = $3 and decided_at >= $4::timestamptz - interval '1 minute'
