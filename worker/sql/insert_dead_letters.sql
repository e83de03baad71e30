-- Keeps the bytes of messages that nobody could act on.
insert into connect_provider.dead_letters
  (lane, stream_created, generation, died_at, sequence, message_time, org_token, subject, headers, body, code, error)
select $1, $2, $3, now(), n.*
from unnest($4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bytea[], $9::bytea[], $10::text[], $11::text[]) as n
