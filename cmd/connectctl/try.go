package main

import (
	"os"
	"path/filepath"
	"strings"

	"connect-provider/messages"
)

// exampleCommand is the one that the documentation shows.
var exampleCommand = messages.Command{ID: "order-7731-line-4", BridgeSlug: "sales-bridge-001", ProviderConfigID: 42, PhoneNumber: "+1234567890"}

const exampleOrganization = "acme"

// natsPublish returns how the nats command line publishes a command of the
// example organization, as it can be pasted into a shell. Without an id in it,
// each time it is pasted gives an outcome.
func natsPublish(server string, command messages.Command) string {
	command.ID = ""
	body, err := messages.EncodeCommand(command)
	if err != nil {
		panic(err) // only constants get here
	}
	organization, _ := messages.OrganizationFromHandle(exampleOrganization)
	subject := messages.CommandSubject(messages.Interactive, organization, messages.VerbConnectProvider)
	return "nats --server " + server + " pub --jetstream " + subject + " '" + string(body) + "'"
}

// self returns how the user has started this program.
func self() string {
	if strings.Contains(os.Args[0], string(filepath.Separator)+"go-build") {
		return "go run ./cmd/connectctl"
	}
	return os.Args[0]
}
