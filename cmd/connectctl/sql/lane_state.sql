-- What a lane is doing.
select l.stream_created, l.generation, l.cursor, l.held_since, coalesce(l.held_sequence, 0), coalesce(l.held_error, ''),
       coalesce(l.lease_expires_at > clock_timestamp(), false), coalesce(w.name, '')
from connect_provider.lanes l
left join connect_provider.workers w on w.worker = l.owner
where l.lane = $1
