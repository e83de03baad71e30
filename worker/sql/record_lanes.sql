-- Creates the lanes of class $1, numbered from 0 to $2 - 1, if the class has
-- none yet, and returns how many it has. The caller holds a lock.
with created as (
  insert into connect_provider.lanes (lane, class)
  select $1 || number, $1 from generate_series(0, $2 - 1) as number
  where not exists (select from connect_provider.lanes where class = $1)
  returning lane
)
select case when exists (select from created) then (select count(*) from created)
            else (select count(*) from connect_provider.lanes where class = $1) end
