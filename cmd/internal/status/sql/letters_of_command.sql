-- The dead letters of an organization ($1 token) that concern a command id: the
-- one of the message that was decided under it ($3 lane, $4 stream created, $5
-- sequence, $6 time; null if there is none), those whose bytes mention the id ($2),
-- and those last published again under it. Reads the whole table. Locks nothing.
select lane, stream_created, sequence, message_time, generation, subject, headers, body, code, error, died_at,
       redrives, redriven_at, redriven_as
from connect_provider.dead_letters
where org_token = $1
  and ((lane, stream_created, sequence, message_time) = ($3::text, $4::bigint, $5::bigint, $6::bigint)
       or redriven_as = $2
       or position(convert_to($2, 'UTF8') in body) > 0
       or position(convert_to($2, 'UTF8') in headers) > 0)
order by died_at, lane, sequence
limit 1000
