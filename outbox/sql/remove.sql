-- Deletes a lane's rows up to a position.
delete from connect_provider.outbox
where lane = $1 and (generation, sequence) <= ($2::bigint, $3::bigint)
