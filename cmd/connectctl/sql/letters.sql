-- Dead letters, oldest first, without their bytes: of a code ($1), organization
-- token ($2), lane ($3), died from ($4) and before ($5) a time, redriven ($6) or
-- not; null asks for nothing. The last column tells those whose lane,
-- generation and sequence do not name them alone.
select lane, stream_created, generation, sequence, message_time, org_token, code, error, died_at, bytes, redrives, redriven_at, redriven_as, ambiguous
from (
  select lane, stream_created, generation, sequence, message_time, org_token, code, error, died_at,
         octet_length(body) as bytes, redrives, redriven_at, redriven_as,
         count(*) over (partition by lane, generation, sequence) > 1 as ambiguous
  from connect_provider.dead_letters
) as letters
where ($1::text is null or code = $1) and ($2::text is null or org_token = $2) and ($3::text is null or lane = $3)
  and ($4::timestamptz is null or died_at >= $4) and ($5::timestamptz is null or died_at < $5)
  and ($6::boolean is null or (redrives > 0) = $6)
order by died_at, lane, sequence
