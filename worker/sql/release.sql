-- Gives a lane back.
update connect_provider.lanes
set owner = null, owner_token = null, lease_expires_at = null
where lane = $1 and owner_token = $2 and epoch = $3
