-- Organizations fleet-0000, fleet-0001 …, each with one provider configuration
-- and 20 bridges. $1: how many organizations. Fleet.Command says the same in Go.
with fleet as (
  insert into telephony.organizations (domain_handle)
  select 'fleet-' || lpad(n::text, 4, '0') from generate_series(0, $1::int - 1) as n
  on conflict do nothing
  returning domain_handle
), bridges as (
  insert into telephony.bridges (domain_handle, slug)
  select domain_handle, 'bridge-' || lpad(b::text, 2, '0') from fleet, generate_series(0, 19) as b
  on conflict do nothing
)
insert into telephony.provider_configurations (domain_handle, id, provider)
select domain_handle, 1, (array['twilio', 'plivo', 'telnyx'])[1 + right(domain_handle, 4)::int % 3] from fleet
on conflict do nothing
