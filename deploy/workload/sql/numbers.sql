-- The numbers $3 up to, not including, $4. Number n begins with $1 and belongs to
-- organization n modulo the number of handles, $2. Workload.Command says the same
-- in Go.
insert into telephony.phone_numbers (phone_number, domain_handle, provider_config_id)
select $1 || lpad(n::text, 8, '0'), ($2::text[])[1 + n % cardinality($2::text[])], 1
from generate_series($3::int, $4::int - 1) as n
