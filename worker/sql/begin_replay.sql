-- Notes what a lane decides again after a restore.
update connect_provider.lanes
set replay_from = $4, replay_until_generation = $5, replay_until_sequence = $6
where lane = $1 and owner_token = $2 and epoch = $3
