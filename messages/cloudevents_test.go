package messages_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"connect-provider/messages"
)

const withoutID = `{"bridge_slug":"sales-bridge-001","provider_config_id":42,"phone_number":"+1234567890"}`

// structured returns a CloudEvent with one piece of it replaced.
func structured(old, new string) string {
	const event = `{"specversion":"1.0","id":"order-7731","source":"/provisioning","type":"any.v1","data":` + withoutID + `}`
	if !strings.Contains(event, old) {
		panic("not in the event: " + old)
	}
	return strings.Replace(event, old, new, 1)
}

func TestCloudEventsStructured(t *testing.T) {
	t.Parallel()
	data := `"data":` + withoutID
	encoded := base64.StdEncoding.EncodeToString([]byte(withoutID))
	tests := []struct {
		name, body, field, says string // accepted if says is empty
	}{
		{"plain", structured("", ""), "", ""},
		{"extensions of every type", structured(`{`, `{"a":1,"b":true,"c":"x","d":null,"e":{"f":[]},`), "", ""},
		{"data before all else", `{` + data + `,"specversion":"1.0","id":"order-7731","source":"/p","type":"t"}`, "", ""},
		{"the same id twice", structured(`"data":{`, `"data":{"command_id":"order-7731",`), "", ""},
		{"base64", structured(data, `"data_base64":"`+encoded+`"`), "", ""},
		{"another id in the data", structured(`"data":{`, `"data":{"command_id":"order-1",`), "command_id", "differ"},
		{"no id", structured(`"id":"order-7731",`, ``), "id", "missing"},
		{"an id that is none", structured(`order-7731`, `order 7731`), "id", "1 to 128"},
		{"an id of another type", structured(`"order-7731"`, `7731`), "id", "must be a JSON string"},
		{"no specversion", structured(`"specversion":"1.0",`, ``), "specversion", "missing"},
		{"another specversion", structured(`"1.0"`, `"0.3"`), "specversion", "only CloudEvents 1.0"},
		{"no source", structured(`"source":"/provisioning",`, ``), "source", "missing"},
		{"no type", structured(`"type":"any.v1",`, ``), "type", "missing"},
		{"no data", structured(`,`+data, ``), "data", "missing"},
		{"null data", structured(withoutID, `null`), "", "is null"},
		{"both data", structured(`}}`, `},"data_base64":"`+encoded+`"}`), "data_base64", "both given"},
		{"a plain command", plain, "specversion", "missing"},
		{"an array", `[]`, "", "is an array"},
		{"duplicate in the data", structured(`{"bridge_slug"`, `{"phone_number":"","bridge_slug"`), "phone_number", "twice"},
		{"unknown member in the data", structured(`{"bridge_slug"`, `{"x":1,"bridge_slug"`), "x", "no member"},
		{"no base64", structured(data, `"data_base64":"%%"`), "data_base64", "not base64"},
		{"base64 of nothing", structured(data, `"data_base64":""`), "", "empty"},
		{"base64 of no JSON", structured(data, `"data_base64":"e30"`), "data_base64", "not base64"},
		{"base64 of too little", structured(data, `"data_base64":"e30="`), "bridge_slug", "missing"},
		{"cut off", structured(`}}`, `}`), "", "cut off"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := messages.Decode(message(tt.body, "content-type", " Application/CloudEvents+JSON ; charset=utf-8"))
			check(t, r, tt.field, tt.says)
		})
	}
}

func TestCloudEventsBinary(t *testing.T) {
	t.Parallel()
	whole := []string{"ce-specversion", "1.0", "ce-id", "order-7731", "ce-source", "/p", "ce-type", "t"}
	tests := []struct {
		name, body  string
		header      []string
		field, says string
	}{
		{"plain", withoutID, whole, "", ""},
		{"names in another case", withoutID, []string{"CE-SpecVersion", "1.0", "Ce-Id", "order-7731", "Ce-Source", "/p", "Ce-Type", "t"}, "", ""},
		{"the same id twice", with("order-7731-line-4", "order-7731"), whole, "", ""},
		{"Nats-Msg-Id does not matter", withoutID, append([]string{"Nats-Msg-Id", "not an id"}, whole...), "", ""},
		{"another id in the body", plain, whole, "command_id", "differ"},
		{"a bad id in the body", with("order-7731-line-4", "order 7731"), whole, "command_id", "1 to 128"},
		{"no specversion", withoutID, whole[2:], "ce-specversion", "missing"},
		{"another specversion", withoutID, append([]string{"ce-specversion", "0.3"}, whole[2:]...), "ce-specversion", "only CloudEvents 1.0"},
		{"no type", withoutID, whole[:6], "ce-type", "missing"},
		{"no id", withoutID, append([]string{"ce-specversion", "1.0"}, whole[4:]...), "ce-id", "missing"},
		{"an id that is none", withoutID, append([]string{"ce-id", "order 7731"}, append(whole[:2:2], whole[4:]...)...), "ce-id", "1 to 128"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			check(t, messages.Decode(message(tt.body, tt.header...)), tt.field, tt.says)
		})
	}
}

// check checks a decoded command whose id is order-7731, or its failure.
func check(t *testing.T, r messages.Received, field, says string) {
	t.Helper()
	if says == "" {
		if r.Malformed != nil {
			t.Fatal(r.Malformed)
		}
		if c := r.Command; c.ID != "order-7731" || c.BridgeSlug != "sales-bridge-001" || c.ProviderConfigID != 42 || c.PhoneNumber != "+1234567890" {
			t.Errorf("decoded %v", c)
		}
		return
	}
	if f := r.Malformed; f == nil || f.Field != field || !strings.Contains(f.Message, says) {
		t.Errorf("%+v, want %q: … %s …", f, field, says)
	}
}
