-- The commands that named a phone number ($1), of one organization ($2 token) or
-- of all (null), the newest $3 of them in order of decision. There is no index
-- on the number, which would slow down every decision: it reads the whole inbox.
-- Locks nothing.
select * from (
  select org_token, key, lane, generation, sequence, message_time, decided_at,
         bridge_slug, provider_config_id, phone_number, provider, changed, connection_version, connected_at,
         failure_code, failure ->> 'message'
  from connect_provider.inbox
  where phone_number = $1 and ($2::text is null or org_token = $2)
  order by decided_at desc, lane desc, generation desc, sequence desc
  limit $3) newest
order by decided_at, lane, generation, sequence
