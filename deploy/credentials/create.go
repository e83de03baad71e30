package credentials

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"

	"connect-provider/deploy/nats"
	"connect-provider/messages"
)

// Options say what Create makes.
type Options struct {
	// Dir is where the files go. It is made if it does not exist.
	Dir string
	// Organizations get an account each, beside those that have one.
	Organizations []messages.Organization
	// Hosts are the names and addresses that a new server certificate is for.
	Hosts []string
	// Owners give directories right below Dir, with all that is in them, to
	// who reads them. The others belong to the owner of Dir.
	Owners map[string]Owner
}

// DefaultHosts are those of the container set-up.
func DefaultHosts() []string { return []string{"localhost", "127.0.0.1", "nats", "postgres"} }

// databaseUsers have a password in the database, natsUsers a key.
var databaseUsers = []string{"migrate", nats.Worker, nats.Gateway, nats.Operator, "reader"}

// Directories returns the directories right below Dir, which Owners may name.
func Directories() []string {
	all := append([]string{"ca", "nats", "postgres", "organizations"}, nats.PlatformUsers()...)
	for _, user := range databaseUsers {
		if !slices.Contains(all, user) {
			all = append(all, user)
		}
	}
	slices.Sort(all)
	return all
}

// Result is what Create did.
type Result struct {
	// Made are the files that were not there or have changed, relative to Dir.
	Made []string
	// Kept is the number of those that were there.
	Kept int
	// Certificates say how long each is valid.
	Certificates []Certificate
	// Organizations are all that have an account, by token.
	Organizations []string
}

// Create makes what is missing in a directory of credentials. What it made
// before an error stays, and is kept by the next run.
func Create(o Options) (Result, error) {
	d, err := openDirectory(o.Dir, o.Owners)
	if err != nil {
		return Result{}, err
	}
	var r Result
	for _, make := range []func() error{
		func() error { return createPlatform(d) },
		func() (err error) { r.Organizations, err = createOrganizations(d, o.Organizations); return },
		func() error { return createPasswords(d) },
		func() (err error) { r.Certificates, err = createCertificates(d, o.Hosts); return },
		d.giveAway,
	} {
		if err := make(); err != nil {
			return d.result(r), err
		}
	}
	return d.result(r), nil
}

func createPlatform(d *directory) error {
	public := map[string]string{}
	for _, user := range nats.PlatformUsers() {
		var err error
		if public[user], err = d.user(path.Join(user, "nats.nk")); err != nil {
			return err
		}
	}
	conf, err := nats.Keys(public)
	if err != nil {
		return err
	}
	return d.render("nats/keys.conf", conf)
}

// createOrganizations adds the accounts asked for to those that have a
// directory, and returns the tokens of all.
func createOrganizations(d *directory, asked []messages.Organization) (tokens []string, err error) {
	for _, o := range asked {
		tokens = append(tokens, o.Token)
	}
	if err := d.makeDir("organizations"); err != nil {
		return nil, err
	}
	present, err := os.ReadDir(filepath.Join(d.path, "organizations"))
	if err != nil {
		return nil, err
	}
	for _, entry := range present {
		if entry.IsDir() {
			tokens = append(tokens, entry.Name())
		}
	}
	slices.Sort(tokens)
	tokens = slices.Compact(tokens)
	var all []nats.Organization
	for _, token := range tokens {
		account := nats.Organization{Organization: messages.OrganizationFromToken(token)}
		if !account.Canonical() {
			return nil, fmt.Errorf("%s is the directory of no organization: its name must be a handle with every byte outside A-Z a-z 0-9 _ - percent-encoded; remove it", d.full(path.Join("organizations", token)))
		}
		if account.Producer, err = d.handedOver(path.Join("organizations", token, "producer")); err != nil {
			return nil, err
		}
		if account.Consumer, err = d.handedOver(path.Join("organizations", token, "consumer")); err != nil {
			return nil, err
		}
		all = append(all, account)
	}
	conf, err := nats.Organizations(all)
	if err != nil {
		return nil, err
	}
	return tokens, d.render("nats/organizations.conf", conf)
}

func createPasswords(d *directory) error {
	files := []string{"postgres/password"}
	for _, user := range databaseUsers {
		files = append(files, path.Join(user, "database.password"))
	}
	for _, file := range files {
		if _, err := d.keep(file, private, newPassword); err != nil {
			return err
		}
	}
	return nil
}
