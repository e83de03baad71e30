-- Whether the platform has an organization with a handle.
select exists (select from telephony.organizations where domain_handle = $1)
