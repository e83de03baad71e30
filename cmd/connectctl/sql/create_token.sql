-- Makes the token with the SHA-256 $1 one of organization $2, labelled $3, unless
-- it is there already. Locks the organization's row against its removal.
insert into telephony.api_tokens (token_sha256, domain_handle, label) values ($1, $2, $3)
on conflict (token_sha256) do nothing
