const axios = require('axios');

const headers = {
  'Authorization': 'Token your-api-token',
  'Org-Handle': 'your-org-handle',
  'Content-Type': 'application/json'
};

// Connect a provider to a bridge
const connectProviderToBridge = async (slug, providerConfigId, phoneNumber) => {
  const response = await axios.post(
    `https://unpod.dev/api/v2/platform/telephony/bridges/${slug}/connect-provider/`,
    { provider_config_id: providerConfigId, phone_number: phoneNumber },
    { headers }
  );
  console.log(`Provider connected to bridge: ${response.data.data.bridge_slug}`);
  console.log(`Phone number assigned: ${response.data.data.phone_number}`);
  return response.data.data;
};

// Example usage
connectProviderToBridge('sales-bridge-001', 42, '+1234567890');
