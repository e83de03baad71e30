-- Ends a pause, and returns it. Returns nothing if there was none.
delete from connect_provider.pauses
where class = $1 and org_token = $2
returning reason, paused_at
