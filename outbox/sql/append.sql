-- Inserts a batch's events. A key that exists already means that two workers
-- believe to own the lane: the transaction fails.
insert into connect_provider.outbox (lane, generation, sequence, subject, payload)
select $1, r.generation, r.sequence, r.subject, r.payload
from unnest($2::bigint[], $3::bigint[], $4::text[], $5::bytea[]) as r(generation, sequence, subject, payload)
