-- Keeps the bytes of messages that nobody could act on.
insert into connect_provider.dead_letters
  (lane, stream_created, generation, died_at, sequence, message_time, org_token, subject, headers, body, code, error)
select $1, $2, $3, $4, n.*
from unnest($5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::bytea[], $10::bytea[], $11::text[], $12::text[]) as n
