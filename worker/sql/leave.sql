-- Forgets a worker that has ended.
delete from connect_provider.workers where worker = $1
