-- The tokens of organization $1, or of all if it is '', whose SHA-256 begins with
-- the hexadecimal digits $2. Locks nothing.
select token_sha256, domain_handle, label, created_at
from telephony.api_tokens
where ($1 = '' or domain_handle = $1) and starts_with(encode(token_sha256, 'hex'), $2)
order by domain_handle, created_at, token_sha256
