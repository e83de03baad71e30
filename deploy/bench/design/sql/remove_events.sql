-- Removes the events ($1, $2, $3) (lane, generation, sequence) from the outbox.
delete from connect_provider.outbox o
using unnest($1::text[], $2::bigint[], $3::bigint[]) as n(lane, generation, sequence)
where o.lane = n.lane and o.generation = n.generation and o.sequence = n.sequence
