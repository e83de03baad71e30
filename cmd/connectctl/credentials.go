package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"connect-provider/cmd/internal/program"
	"connect-provider/deploy/credentials"
	"connect-provider/messages"
)

type credentialsCommand struct {
	Dir   string            `required:"" placeholder:"DIR" help:"Directory for the files. Made if it does not exist."`
	Org   []string          `sep:"none" placeholder:"HANDLE" help:"Organization that gets an account, by its domain handle; may be given several times, and later."`
	Host  []string          `placeholder:"NAME" help:"Names and addresses that new server certificates are for (default localhost, 127.0.0.1, nats, postgres)."`
	Owner map[string]string `mapsep:"none" placeholder:"DIRECTORY=UID[:GID]" help:"Whom a directory below DIR belongs to, such as worker=65532; may be given several times. Needs root. The others belong to DIR's owner."`
	Log   program.Log       `embed:""`
}

func (c *credentialsCommand) log() program.Log { return c.Log }

var hostName = regexp.MustCompile(`^(\*\.)?[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)

func (c *credentialsCommand) problems(*program.Secrets) []error {
	_, problems := c.options()
	return problems
}

func (c *credentialsCommand) options() (credentials.Options, []error) {
	var problems []error
	options := credentials.Options{Dir: c.Dir, Hosts: c.Host, Owners: map[string]credentials.Owner{}}
	for _, handle := range c.Org {
		organization, err := messages.OrganizationFromHandle(handle)
		if err != nil {
			problems = append(problems, fmt.Errorf("--org: %w", err))
		}
		options.Organizations = append(options.Organizations, organization)
	}
	if len(options.Hosts) == 0 {
		options.Hosts = credentials.DefaultHosts()
	}
	for _, host := range options.Hosts {
		if net.ParseIP(host) == nil && !hostName.MatchString(host) {
			problems = append(problems, fmt.Errorf("--host: %q is neither a host's name nor an address", host))
		}
	}
	for directory, text := range c.Owner {
		owner, err := credentials.ParseOwner(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("--owner %s: %w", directory, err))
		}
		if !slices.Contains(credentials.Directories(), directory) {
			problems = append(problems, fmt.Errorf("--owner: there is no directory %q; there are: %s", directory, strings.Join(credentials.Directories(), ", ")))
		}
		options.Owners[directory] = owner
	}
	return options, problems
}

func (c *credentialsCommand) run(_ context.Context, p process) error {
	options, _ := c.options()
	result, err := credentials.Create(options)
	for _, file := range result.Made {
		fmt.Fprintln(p.stdout, "made", filepath.Join(c.Dir, file))
	}
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%w; run it as who owns %s, or as root", err, c.Dir)
		}
		return err
	}
	fmt.Fprintf(p.stdout, "%d files made, %d kept. Organizations: %s.\n", len(result.Made), result.Kept, orNone(result.Organizations))
	for _, certificate := range result.Certificates {
		fmt.Fprintf(p.stdout, "%s is valid until %s.", certificate.File, certificate.Until.UTC().Format(time.DateOnly))
		if len(certificate.Lacks) > 0 {
			fmt.Fprintf(p.stdout, " It does not name %s: delete it and run this again.", strings.Join(certificate.Lacks, ", "))
		}
		fmt.Fprintln(p.stdout)
	}
	if slices.ContainsFunc(result.Made, func(file string) bool { return strings.HasPrefix(file, "nats/") }) {
		fmt.Fprintln(p.stdout, "A NATS server that runs has to be reloaded, twice: the first time it makes new accounts, the second time what they may reach (nats-server --signal reload, or SIGHUP).")
	}
	return nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
