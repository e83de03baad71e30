-- The phone numbers among $1 (E.164).
select phone_number, domain_handle, provider_config_id, active
from telephony.phone_numbers
where phone_number = any ($1::text[])
