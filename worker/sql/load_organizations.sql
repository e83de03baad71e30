-- The organizations among $1 (handles).
select domain_handle, one_provider_per_bridge
from telephony.organizations
where domain_handle = any ($1::text[])
