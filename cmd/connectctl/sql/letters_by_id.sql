-- The dead letters with the ids $1 to $4 (lane, generation, sequence, message
-- time, 0 if any), in that order; columns as in letters.sql.
select d.lane, d.stream_created, d.generation, d.sequence, d.message_time, d.org_token, d.code, d.error, d.died_at,
       octet_length(d.body), d.redrives, d.redriven_at, d.redriven_as,
       (select count(*) from connect_provider.dead_letters o
        where o.lane = d.lane and o.generation = d.generation and o.sequence = d.sequence) > 1
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) with ordinality as wanted(lane, generation, sequence, message_time, place)
join connect_provider.dead_letters d
  on d.lane = wanted.lane and d.generation = wanted.generation and d.sequence = wanted.sequence
 and (wanted.message_time = 0 or d.message_time = wanted.message_time)
order by wanted.place, d.message_time, d.stream_created
