-- Number n belongs to organization n modulo $1, so that neighbours in a stream
-- of commands are of different organizations. $2: how many numbers.
insert into telephony.phone_numbers (phone_number, domain_handle, provider_config_id)
select '+999' || lpad(n::text, 9, '0'), 'fleet-' || lpad((n % $1::int)::text, 4, '0'), 1
from generate_series(0, $2::int - 1) as n
on conflict do nothing
