-- Pauses an organization ($2) of a class ($1), or the whole class (''), unless
-- it is paused. Returns nothing if it was.
insert into connect_provider.pauses (class, org_token, reason)
values ($1, $2, $3)
on conflict do nothing
returning paused_at
