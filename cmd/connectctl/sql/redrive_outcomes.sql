-- What became of commands that were published to lanes $1 as sequences $2 since
-- $5, of organizations' tokens $3 under keys $4 ('' for none), by their place in
-- the arrays. A command that the lane has passed without a row of its own
-- repeats one that was decided under the same key before.
select wanted.place, coalesce(own.failure_code, earlier.failure_code, ''),
       coalesce(own.failure ->> 'message', earlier.failure ->> 'message', ''), own.key is null
from unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) with ordinality as wanted(lane, sequence, org_token, key, place)
join connect_provider.lanes l on l.lane = wanted.lane and l.cursor >= wanted.sequence
left join connect_provider.inbox own
  on own.lane = wanted.lane and own.sequence = wanted.sequence and own.stream_created = l.stream_created
 and own.decided_at >= $5::timestamptz - interval '1 minute'
left join connect_provider.inbox earlier on earlier.org_token = wanted.org_token and earlier.key = wanted.key
where own.key is not null or earlier.key is not null
