-- Serializes an organization's ($1, token) commands until the transaction ends. A
-- statement of its own: what follows must read what the one before wrote.
select pg_advisory_xact_lock(1, hashtext($1))
