-- Where the lanes of a class stand.
select lane, stream_created, cursor, cursor_time
from connect_provider.lanes
where class = $1
