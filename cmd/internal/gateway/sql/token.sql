-- Whose token it is that has the SHA-256 $1: at most one row. Locks nothing.
select token_sha256, domain_handle from telephony.api_tokens where token_sha256 = $1::bytea
