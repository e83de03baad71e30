package main

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"connect-provider/messages"
)

// idNumberInUse is the id of the command whose failure is shown whole.
const idNumberInUse = "demo-number-in-use"

// scene is one message of the script and the outcome that it must have.
type scene struct {
	handle  string
	body    string
	id      string
	outcome string
	// linkedTo, if not 0, is the provider configuration that the platform links
	// the documentation's number to before the message is published.
	linkedTo int64
}

// script has the documentation's example, a command for each failure code that
// a command can cause, a repeat, and messages that can't be understood. Of the
// codes only internal_error is missing: it takes a defect.
func script() []scene {
	acme := func(id string, bridge string, configuration int64, number string, outcome string) scene {
		return scene{handle: exampleOrganization, id: id, outcome: outcome, body: encode(messages.Command{
			ID: id, BridgeSlug: bridge, ProviderConfigID: configuration, PhoneNumber: number, Metadata: map[string]string{"job": "demo"},
		})}
	}
	moved := func(s scene, linkedTo int64) scene {
		s.linkedTo = linkedTo
		return s
	}
	const sales, support = "sales-bridge-001", "support-bridge-001"
	example := scene{handle: exampleOrganization, id: exampleCommand.ID, body: encode(exampleCommand), outcome: outcomeConnected}
	repeat := example
	repeat.outcome = outcomeRepeat
	changed := exampleCommand
	changed.BridgeSlug = support
	other := "globex"
	return []scene{
		example,
		repeat,
		{handle: exampleOrganization, id: exampleCommand.ID, body: encode(changed), outcome: string(messages.CommandIDReused)},
		acme("demo-again", sales, 42, "+1234567890", outcomeConnected), // unchanged
		acme("demo-not-linked", sales, 1, "+1234567890", string(messages.PhoneNumberNotLinked)),
		// the documentation's two examples, as printed: a number belongs to one
		// configuration at a time, so the platform moves it there and back
		moved(acme("demo-curl-example", sales, 1, "+1234567890", outcomeConnected), 1),
		moved(acme("demo-javascript-example", sales, 42, "+1234567890", outcomeConnected), 42),
		acme("demo-inactive-number", sales, 42, "+1234567893", string(messages.PhoneNumberNotLinked)),
		acme("demo-another-organizations-number", sales, 1, "+1234567801", string(messages.PhoneNumberNotLinked)),
		acme(idNumberInUse, support, 42, "+1234567890", string(messages.PhoneNumberInUse)),
		acme("demo-other-provider", sales, 7, "+1234567897", string(messages.BridgeHasOtherProvider)),
		acme("demo-no-bridge", "no-such-bridge", 42, "+1234567892", string(messages.BridgeNotFound)),
		acme("demo-no-configuration", sales, 99, "+1234567892", string(messages.ProviderConfigNotFound)),
		acme("demo-inactive-configuration", sales, 9, "+1234567899", string(messages.ProviderConfigInactive)),
		acme("demo-no-number", sales, 42, "001234567892", string(messages.PhoneNumberInvalid)),
		{handle: exampleOrganization, id: "demo-mismatch", outcome: string(messages.OrganizationMismatch), body: encode(messages.Command{
			ID: "demo-mismatch", OrgHandle: &other, BridgeSlug: sales, ProviderConfigID: 42, PhoneNumber: "+1234567892",
		})},
		{handle: "nobody", id: "demo-nobody", outcome: string(messages.OrganizationUnknown), body: encode(messages.Command{
			ID: "demo-nobody", BridgeSlug: sales, ProviderConfigID: 42, PhoneNumber: "+1234567892",
		})},
		{handle: exampleOrganization, body: "this is no JSON", outcome: string(messages.MalformedCommand)},
		{handle: exampleOrganization, body: `{"bridge_slug":"sales-bridge-001","provider_config_id":"42"}`, outcome: string(messages.MalformedCommand)},
		// an organization whose handle has a dot, and one that allows several providers
		{handle: "example.com", id: "demo-example-com", outcome: outcomeConnected, body: encode(messages.Command{
			ID: "demo-example-com", BridgeSlug: "front-desk", ProviderConfigID: 5, PhoneNumber: "+1234567811",
		})},
		{handle: other, id: "demo-globex-1", outcome: outcomeConnected, body: encode(messages.Command{
			ID: "demo-globex-1", BridgeSlug: "main-bridge", ProviderConfigID: 1, PhoneNumber: "+1234567801",
		})},
		{handle: other, id: "demo-globex-2", outcome: outcomeConnected, body: encode(messages.Command{
			ID: "demo-globex-2", BridgeSlug: "main-bridge", ProviderConfigID: 2, PhoneNumber: "+1234567802",
		})},
	}
}

func encode(command messages.Command) string {
	body, err := messages.EncodeCommand(command)
	if err != nil {
		panic(err) // only constants get here
	}
	return string(body)
}

// playScript publishes the script in order and waits for the outcomes.
func (s *show) playScript(ctx context.Context) error {
	var last place
	for _, scene := range script() {
		organization, err := messages.OrganizationFromHandle(scene.handle)
		if err != nil {
			return err
		}
		if scene.linkedTo != 0 {
			if _, err := s.system.pool.Exec(ctx, `update telephony.phone_numbers set provider_config_id = $2 where phone_number = $1`,
				exampleCommand.PhoneNumber, scene.linkedTo); err != nil {
				return fmt.Errorf("move %s to configuration %d: %w", exampleCommand.PhoneNumber, scene.linkedTo, err)
			}
		}
		last, err = s.publish(ctx, organization, scene.id, []byte(scene.body), scene.outcome)
		if err != nil {
			return err
		}
		if scene.outcome == outcomeRepeat {
			continue
		}
		if _, err := s.feed.awaitOne(ctx, last); err != nil {
			return err
		}
	}
	return nil
}

// publish publishes one interactive command and notes it in the ledger.
func (s *show) publish(ctx context.Context, organization messages.Organization, id string, body []byte, outcome string) (place, error) {
	subject := messages.CommandSubject(messages.Interactive, organization, messages.VerbConnectProvider)
	ack, err := s.system.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: body})
	if err != nil {
		return place{}, fmt.Errorf("publish to %s: %w", subject, err)
	}
	at := place{messages.Interactive, ack.Sequence}
	s.ledger.add(at, entry{token: organization.Token, id: id, outcome: outcome})
	return at, nil
}
