-- How far the lanes $1 have come, and in which stream. Locks nothing.
select lane, stream_created, generation, cursor
from connect_provider.lanes
where lane = any ($1::text[])
