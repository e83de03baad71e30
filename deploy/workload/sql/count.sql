-- Of the organizations $1 (handles, which are also their tokens): how many
-- connections there are, how many decided commands, and how many of those failed
-- for want of the bridge.
select (select count(*) from connect_provider.connections where domain_handle = any ($1::text[])),
       count(*), count(*) filter (where failure_code = 'bridge_not_found')
from connect_provider.inbox
where org_token = any ($1::text[])
