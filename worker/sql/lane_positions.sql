-- Where the lanes of a class stand.
select lane, stream_created, cursor
from connect_provider.lanes
where class = $1
