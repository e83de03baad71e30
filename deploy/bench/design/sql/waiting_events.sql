-- Up to $1 events of the outbox.
select lane, generation, sequence, subject, payload
from connect_provider.outbox
order by lane, generation, sequence
limit $1
