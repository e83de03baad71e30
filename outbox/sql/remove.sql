-- Deletes a lane's rows behind a position ($2, $3), up to another ($4, $5). Behind
-- the first one, since the index keeps what was removed before until a vacuum, and
-- walking through it again would cost more with every batch.
delete from connect_provider.outbox
where lane = $1 and (generation, sequence) > ($2::bigint, $3::bigint) and (generation, sequence) <= ($4::bigint, $5::bigint)
