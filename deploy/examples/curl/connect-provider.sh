curl --request POST \
  --url http://localhost:3001/api/v2/platform/telephony/bridges/{slug}/connect-provider/ \
  --header 'Authorization: <api-key>' \
  --header 'Content-Type: application/json' \
  --header 'Org-Handle: <org-handle>' \
  --data '
{
  "provider_config_id": 1,
  "phone_number": "+1234567890"
}
'
