package nats

import (
	"fmt"
	"strings"
)

// The platform's users, by the names of their directories of credentials.
const (
	Worker        = "worker"
	Gateway       = "gateway"
	Operator      = "operator"
	Administrator = "administrator"
)

// PlatformUsers returns the names of the users that access.conf knows.
func PlatformUsers() []string { return []string{Worker, Gateway, Operator, Administrator} }

// Keys returns credentials/keys.conf: the public keys of the platform's users,
// as the variables that access.conf uses. There must be one for each.
func Keys(public map[string]string) (string, error) {
	var conf strings.Builder
	conf.WriteString("# Public keys of the platform's users. Made by `connectctl credentials`, which writes it anew.\n")
	for _, user := range PlatformUsers() {
		if public[user] == "" {
			return "", fmt.Errorf("no public key for %s", user)
		}
		fmt.Fprintf(&conf, "%s_NKEY: %q\n", strings.ToUpper(user), public[user])
	}
	return conf.String(), nil
}
