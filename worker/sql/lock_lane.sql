-- A lane's owner and cursor, after waiting for whoever holds its row.
select owner_token, cursor, generation
from connect_provider.lanes
where lane = $1
for update
