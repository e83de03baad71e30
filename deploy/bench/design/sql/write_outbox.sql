-- Puts one event into the outbox.
insert into connect_provider.outbox (lane, generation, sequence, subject, payload) values ($1, $2, $3, $4, $5)
