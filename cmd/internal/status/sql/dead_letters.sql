-- How many dead letters there are of each code, published again or not, and how
-- long the oldest open one has been there. Locks nothing.
select code, count(*) filter (where redrives = 0), count(*) filter (where redrives > 0), min(died_at) filter (where redrives = 0)
from connect_provider.dead_letters
group by code
order by code
