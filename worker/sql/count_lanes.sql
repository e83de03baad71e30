-- How many lanes a class has been cut into, 0 before its first worker.
select count(*) from connect_provider.lanes where class = $1
