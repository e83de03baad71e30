-- What was decided of one command ($1 organization's token, $2 inbox key), and
-- whether its event is still in the outbox. Locks nothing.
select i.lane, i.stream_created, i.generation, i.sequence, i.message_time, i.decided_at,
       i.bridge_slug, i.provider_config_id, i.phone_number, i.provider, i.changed, i.connection_version, i.connected_at,
       i.failure_code, i.failure ->> 'message',
       exists (select from connect_provider.outbox o where o.lane = i.lane and o.generation = i.generation and o.sequence = i.sequence)
from connect_provider.inbox i
where i.org_token = $1 and i.key = $2
