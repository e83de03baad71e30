-- Serializes the decisions of one partition's organizations, whichever of its
-- two lanes (interactive, bulk) they come from, until the transaction ends. A
-- statement of its own: what follows must read what the one before wrote.
-- Returns how long that took, in seconds.
select extract(epoch from clock_timestamp() - statement_timestamp())::float8
from pg_advisory_xact_lock(1667460196, $1::int)
