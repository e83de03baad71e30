-- A lane's rows in order. Locks nothing.
select generation, sequence, subject, payload
from connect_provider.outbox
where lane = $1
order by generation, sequence
