-- What the platform knows of a phone number ($1, E.164), with the provider
-- configuration that owns it, where that is known. Locks nothing.
select n.domain_handle, n.provider_config_id, n.active, p.provider, p.active
from telephony.phone_numbers n
left join telephony.provider_configurations p on p.domain_handle = n.domain_handle and p.id = n.provider_config_id
where n.phone_number = $1
