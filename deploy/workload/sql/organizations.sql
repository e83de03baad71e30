-- The organizations $1 (handles), each with one provider configuration and
-- bridges bridge-0, bridge-1 … ($2: how many).
with organizations as (
  insert into telephony.organizations (domain_handle) select unnest($1::text[]) returning domain_handle
), bridges as (
  insert into telephony.bridges (domain_handle, slug)
  select domain_handle, 'bridge-' || b from organizations, generate_series(0, $2::int - 1) as b
)
insert into telephony.provider_configurations (domain_handle, id, provider)
select domain_handle, 1, 'twilio' from organizations
