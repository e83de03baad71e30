package messages_test

import (
	"fmt"
	"time"

	"connect-provider/messages"
)

// A producer needs a subject and a body; any NATS client can publish them.
func ExampleEncodeCommand() {
	organization, err := messages.OrganizationFromHandle("example.com")
	if err != nil {
		panic(err)
	}
	body, err := messages.EncodeCommand(messages.Command{
		ID: "order-7731-line-4", BridgeSlug: "sales-bridge-001", ProviderConfigID: 42, PhoneNumber: "+1234567890",
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(messages.CommandSubject(messages.Interactive, organization, messages.VerbConnectProvider))
	fmt.Println(string(body))
	// Output:
	// telephony.commands.example%2Ecom.connect-provider
	// {"command_id":"order-7731-line-4","bridge_slug":"sales-bridge-001","provider_config_id":42,"phone_number":"+1234567890"}
}

func ExampleCommand_Validate() {
	command := messages.Command{BridgeSlug: "sales-bridge-001", ProviderConfigID: 42, PhoneNumber: "(123) 456-7890"}
	fmt.Println(command.Validate().Field)
	// Output: phone_number
}

func ExampleDecode() {
	r := messages.Decode(messages.Message{
		Subject: "telephony.commands.15.acme.connect-provider",
		Body:    []byte(`{"command_id":"a","bridge_slug":"sales-bridge-001","phone_number":"+1234567890"}`),
	})
	fmt.Println(r.Lane, r.Organization.Handle, r.Command.ID)
	fmt.Println(r.Malformed)
	// Output:
	// c15 acme a
	// malformed_command: "provider_config_id" is missing; every command needs it
}

// A consumer reads an event's body and passes over types it does not know.
func ExampleDecodeEvent() {
	event, err := messages.DecodeEvent([]byte(`{"specversion":"1.0","id":"02548ef8-27e4-5208-885d-83d853462ef9","source":"/connect-provider",
		"type":"telephony.provider.connect_failed.v1","subject":"sales-bridge-001","time":"2026-11-23T10:00:00.123456Z",
		"datacontenttype":"application/json","orghandle":"acme","commandid":"order-7731-line-4","sequence":"4711","generation":"1",
		"data":{"command_id":"order-7731-line-4","org_handle":"acme","bridge_slug":"sales-bridge-001","phone_number":"+1234567890",
			"error":{"code":"bridge_not_found","field":"bridge_slug","message":"there is no such bridge","status_code":404}}}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(event.CommandID, event.Data.Error.Code, event.Data.Error.Code.LegacyStatus())
	// Output: order-7731-line-4 bridge_not_found 404
}

func ExamplePhoneNumber() {
	number, err := messages.ParsePhoneNumber("+1234567890")
	if err != nil {
		panic(err)
	}
	fmt.Println(number)
	fmt.Println(number.E164())
	// Output:
	// +1*****7890
	// +1234567890
}

func ExampleLane() {
	lane, err := messages.ParseLane("c7")
	if err != nil {
		panic(err)
	}
	fmt.Println(lane.CommandFilter())
	fmt.Println(lane.EventFilter())
	// Output:
	// telephony.commands.7.>
	// telephony.events.c7.>
}

func ExampleCompareStream() {
	want := messages.EventsStreamConfig(messages.StreamOptions{})
	is := want
	is.AllowDirect, is.MaxAge = true, time.Hour
	for _, finding := range messages.CompareStream(is, want) {
		fmt.Println(finding.Fatal, finding)
	}
	// Output:
	// true stream TELEPHONY_EVENTS: allow_direct is on, want off: a lane's last event would be read from a replica that may lag, and events be published twice
	// false stream TELEPHONY_EVENTS: max_age is 1h0m0s, want 720h0m0s: it decides how long consumers may be away
}
