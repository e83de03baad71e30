-- Every lane as its row has it, with its owner's name, what remains of its lease
-- in seconds by this server's clock (below 0: over), and its outbox: how many
-- rows, and the first one's payload, whose event was decided the longest ago.
-- Interactive lanes first. Locks nothing.
select l.lane, l.class, l.stream_created, l.generation, l.cursor, l.cursor_time,
       l.owner::text, w.name, extract(epoch from l.lease_expires_at - statement_timestamp())::float8,
       l.held_since, extract(epoch from statement_timestamp() - l.held_since)::float8, l.held_sequence, l.held_error,
       l.skip_sequence, l.skip_reason, l.replay_until_generation, l.replay_until_sequence,
       coalesce(waiting.rows, 0),
       (select o.payload from connect_provider.outbox o where o.lane = l.lane order by o.generation, o.sequence limit 1),
       statement_timestamp()
from connect_provider.lanes l
left join connect_provider.workers w on w.worker = l.owner
left join (select lane, count(*) as rows from connect_provider.outbox group by lane) waiting on waiting.lane = l.lane
order by l.class desc, substr(l.lane, 2)::int
