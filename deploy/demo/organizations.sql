-- The demo organization and two neighbours. What exists already stays as it is.
insert into telephony.organizations (domain_handle, one_provider_per_bridge) values
  ('acme', true),
  ('globex', false),      -- its bridges may have several providers
  ('example.com', true)   -- its subject token is example%2Ecom
on conflict do nothing;

insert into telephony.bridges (domain_handle, slug) values
  ('acme', 'sales-bridge-001'),
  ('acme', 'sales-bridge'),
  ('acme', 'support-bridge-001'),
  ('globex', 'main-bridge'),
  ('example.com', 'front-desk')
on conflict do nothing;

insert into telephony.provider_configurations (domain_handle, id, provider, active) values
  ('acme', 1, 'twilio', true),
  ('acme', 42, 'twilio', true),
  ('acme', 7, 'plivo', true),
  ('acme', 9, 'telnyx', false),
  ('globex', 1, 'twilio', true),
  ('globex', 2, 'plivo', true),
  ('example.com', 5, 'telnyx', true)
on conflict do nothing;

-- A number belongs to one provider configuration. The documentation's number
-- is with 42, as in the example of the command.
insert into telephony.phone_numbers (phone_number, domain_handle, provider_config_id, active) values
  ('+1234567890', 'acme', 42, true),
  ('+1234567891', 'acme', 1, true),
  ('+1234567892', 'acme', 42, true),
  ('+1234567893', 'acme', 42, false),
  ('+1234567897', 'acme', 7, true),
  ('+1234567899', 'acme', 9, true),
  ('+1234567801', 'globex', 1, true),
  ('+1234567802', 'globex', 2, true),
  ('+1234567811', 'example.com', 5, true)
on conflict do nothing;
