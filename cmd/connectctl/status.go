package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/cmd/internal/status"
	"connect-provider/messages"
)

const (
	// statusTimeout bounds what is asked of each server.
	statusTimeout = 15 * time.Second
	// scanTimeout bounds reading the whole inbox.
	scanTimeout = 5 * time.Minute
)

type statusCommand struct {
	CommandID string              `arg:"" optional:"" placeholder:"COMMAND-ID" help:"Tell the history of this command of --org."`
	Org       string              `placeholder:"HANDLE" help:"Organization's domain handle."`
	Phone     string              `placeholder:"NUMBER" help:"Tell what became of this phone number (E.164 form, as in +1234567890), with --org of that organization's commands only. Reads the whole inbox, which has no index on the number, for that would slow down every decision: minutes with hundreds of millions of rows."`
	JSON      bool                `name:"json" help:"Print JSON documents; what is wrong is in \"problems\"."`
	Watch     bool                `help:"Read it again and again until interrupted: redrawn in place on a terminal, else one document after another."`
	Interval  time.Duration       `default:"2s" help:"How often --watch reads (default 2s)."`
	Reveal    bool                `help:"Show phone numbers in full."`
	Timeout   time.Duration       `placeholder:"DURATION" help:"Longest wait for each of NATS and the database (default 15s, with --phone 5m)."`
	Database  connection.Database `embed:""`
	NATS      natsSettings        `embed:""`
	Log       program.Log         `embed:""`
}

func (c *statusCommand) log() program.Log { return c.Log }

func (c *statusCommand) problems(secrets *program.Secrets) []error {
	problems := append(c.Database.Resolve(secrets), c.NATS.problems(secrets)...)
	if c.CommandID != "" && c.Org == "" {
		problems = append(problems, errors.New("COMMAND-ID: ids are each organization's own; add --org HANDLE"))
	}
	if c.CommandID != "" && !isInboxKey(c.CommandID) {
		problems = append(problems, errors.New("COMMAND-ID: an id is 1 to 128 of A-Z a-z 0-9 . _ : -"))
	}
	if c.Org != "" {
		if _, err := messages.OrganizationFromHandle(c.Org); err != nil {
			problems = append(problems, fmt.Errorf("--org: %w", err))
		}
		if c.CommandID == "" && c.Phone == "" {
			problems = append(problems, errors.New("--org goes with COMMAND-ID or --phone"))
		}
	}
	if c.Phone != "" {
		if _, err := messages.ParsePhoneNumber(c.Phone); err != nil {
			problems = append(problems, fmt.Errorf("--phone: %w: write it as in +1234567890", err))
		}
		if c.CommandID != "" {
			problems = append(problems, errors.New("COMMAND-ID and --phone ask different questions: give one of them"))
		}
		if c.Watch {
			problems = append(problems, errors.New("--phone reads the whole inbox and can't be watched"))
		}
	}
	if c.Interval < 100*time.Millisecond {
		problems = append(problems, fmt.Errorf("--interval %s: give 100ms or more", c.Interval))
	}
	if c.Timeout < 0 {
		problems = append(problems, fmt.Errorf("--timeout %s: give more than 0", c.Timeout))
	}
	return problems
}

// isInboxKey tells whether the inbox may have something under an id: command
// ids, and positions ("@…"), which stand for messages without one.
func isInboxKey(id string) bool {
	if strings.HasPrefix(id, "@") {
		return true
	}
	failure := messages.Command{ID: id, BridgeSlug: "b", PhoneNumber: "+10"}.Validate()
	return failure == nil
}

// run tells what was asked for, and ends with a failure if a server could not
// be asked. That something is wrong with the system is no failure of telling it.
func (c *statusCommand) run(ctx context.Context, p process) error {
	servers := &statusServers{command: c, secrets: p.secrets}
	defer servers.close()
	view := newStatusView(p.stdout, c.JSON, c.Watch)
	for {
		shown, complete := c.read(ctx, servers)
		if ctx.Err() != nil {
			break
		}
		if err := view.show(shown); err != nil {
			return err
		}
		if !c.Watch {
			if !complete {
				return program.Quiet(program.ExitFailure) // the document says why
			}
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(c.Interval):
		}
	}
	if c.Watch {
		return nil
	}
	return ctx.Err()
}

// statusDocument is a document that can be printed for people and for programs.
type statusDocument interface{ text() string }

// read asks for what the command line asks for. complete is false where a
// server could not be asked.
func (c *statusCommand) read(ctx context.Context, servers *statusServers) (document statusDocument, complete bool) {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = statusTimeout
		if c.Phone != "" {
			timeout = scanTimeout
		}
	}
	organization, err := messages.OrganizationFromHandle(c.Org)
	asked := &organization
	if err != nil {
		asked = nil // none was given: problems has seen to it
	}
	if c.Phone != "" {
		number, _ := messages.ParsePhoneNumber(c.Phone) // problems has seen to it
		d := servers.connect(ctx, timeout, false).Phone(ctx, number, asked)
		return phoneText{d}, d.Database.Answers
	}
	numbers := status.Numbers{Reveal: c.Reveal}
	if c.CommandID != "" {
		d := servers.connect(ctx, timeout, true).Command(ctx, organization, c.CommandID, numbers)
		return commandText{d}, d.Database.Answers && d.NATS.Answers
	}
	d := servers.connect(ctx, timeout, true).System(ctx, numbers)
	return systemText{d}, d.Database.Answers && d.NATS.Answers
}
