package nats

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"connect-provider/messages"
)

//go:embed organization.conf
var organizationTemplate string

// Organization is an organization that may connect.
type Organization struct {
	messages.Organization
	// Producer and Consumer are the public keys of its users.
	Producer, Consumer string
}

// Organizations returns credentials/organizations.conf: an account for each
// organization. It is an error if one can be no organization, is there twice or
// lacks a key.
func Organizations(all []Organization) (string, error) {
	return organizations(organizationTemplate, all)
}

func organizations(template string, all []Organization) (string, error) {
	// the comment on top is for those who read the template
	_, template, _ = strings.Cut(template, "\n\n")
	var conf strings.Builder
	conf.WriteString("# An account for each organization. Made by `connectctl credentials`, which writes it anew.\n")
	seen := map[string]bool{}
	for _, o := range all {
		switch {
		case !o.Canonical():
			return "", fmt.Errorf("%q is the token of no organization", o.Token)
		case seen[o.Token]:
			return "", fmt.Errorf("organization %q is there twice", o.Handle)
		case o.Producer == "" || o.Consumer == "":
			return "", fmt.Errorf("organization %q has no public key", o.Handle)
		}
		seen[o.Token] = true
		conf.WriteByte('\n')
		filled := strings.NewReplacer("ORGANIZATION", o.Token,
			"PRODUCER_NKEY", strconv.Quote(o.Producer), "CONSUMER_NKEY", strconv.Quote(o.Consumer))
		if _, err := filled.WriteString(&conf, template); err != nil {
			return "", err
		}
	}
	return conf.String(), nil
}
