-- The workers that have been seen within a day and did not say goodbye, with
-- whether they live by this server's clock. Locks nothing.
select worker::text, name, version, started_at, seen_at,
       extract(epoch from statement_timestamp() - seen_at)::float8, expires_at > statement_timestamp()
from connect_provider.workers
order by expires_at > statement_timestamp() desc, name, started_at
