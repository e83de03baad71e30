-- Whether a lane is still owned as it was when it was claimed.
select exists (
  select from connect_provider.lanes where lane = $1 and owner_token = $2 and epoch = $3)
