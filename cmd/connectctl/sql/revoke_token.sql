-- Removes the token with the SHA-256 $1. Locks its row.
delete from telephony.api_tokens where token_sha256 = $1
