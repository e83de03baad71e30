package status

import (
	"context"
	_ "embed"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"connect-provider/messages"
)

//go:embed sql/number.sql
var numberSQL string

//go:embed sql/connection.sql
var connectionSQL string

//go:embed sql/commands_of_number.sql
var commandsOfNumberSQL string

// mostCommands bounds the history of a number: anybody may name any number as
// often as they like.
const mostCommands = 10_000

// Phone is the history of a phone number.
type Phone struct {
	Time        time.Time `json:"time"`
	PhoneNumber string    `json:"phone_number"`
	// Organization is whose commands are told, nil for everybody's.
	Organization *string `json:"organization"`
	Database     Server  `json:"database"`
	// Platform is the platform's record of the number, Connection the bridge it is
	// on; each nil if there is none.
	Platform   *PlatformNumber `json:"platform"`
	Connection *Connection     `json:"connection"`
	// Commands are those that named the number, in order of decision. Nil if the
	// database is away.
	Commands []NumberCommand `json:"commands"`
	// Cut says that there are older ones.
	Cut bool `json:"cut"`
}

// PlatformNumber is what the platform knows of a number.
type PlatformNumber struct {
	Organization     string `json:"organization"`
	ProviderConfigID int64  `json:"provider_config_id"`
	Active           bool   `json:"active"`
	// Provider and ConfigActive are the configuration's, nil if it is gone.
	Provider     *string `json:"provider"`
	ConfigActive *bool   `json:"provider_config_active"`
}

// Connection is a number on a bridge.
type Connection struct {
	Organization     string    `json:"organization"`
	BridgeSlug       string    `json:"bridge_slug"`
	ProviderConfigID int64     `json:"provider_config_id"`
	Provider         string    `json:"provider"`
	Version          int64     `json:"connection_version"`
	ConnectedAt      time.Time `json:"connected_at"`
}

// NumberCommand is a decided command that named the number.
type NumberCommand struct {
	Organization string `json:"organization"`
	// CommandID is nil where the inbox keeps only the message's position: its id
	// was used before.
	CommandID *string  `json:"command_id"`
	Accepted  Accepted `json:"accepted"`
	Decided   Decided  `json:"decided"`
}

// Phone reads the history of a number, of one organization's commands or, with
// nil, of everybody's. It reads the whole inbox.
func (s *Servers) Phone(ctx context.Context, number messages.PhoneNumber, organization *messages.Organization) *Phone {
	d := &Phone{Time: time.Now().UTC(), PhoneNumber: number.E164()}
	var token *string
	if organization != nil {
		d.Organization, token = &organization.Handle, &organization.Token
	}
	d.Database = s.askDatabase(ctx, func(ctx context.Context, tx pgx.Tx) error { return d.read(ctx, tx, token) })
	return d
}

func (d *Phone) read(ctx context.Context, tx pgx.Tx, token *string) error {
	p := PlatformNumber{}
	err := tx.QueryRow(ctx, numberSQL, d.PhoneNumber).Scan(&p.Organization, &p.ProviderConfigID, &p.Active, &p.Provider, &p.ConfigActive)
	if err == nil {
		d.Platform = &p
	} else if !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	c := Connection{}
	err = tx.QueryRow(ctx, connectionSQL, d.PhoneNumber).Scan(&c.Organization, &c.BridgeSlug, &c.ProviderConfigID, &c.Provider, &c.Version, &c.ConnectedAt)
	if err == nil {
		c.ConnectedAt = c.ConnectedAt.UTC()
		d.Connection = &c
	} else if !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	rows, err := tx.Query(ctx, commandsOfNumberSQL, d.PhoneNumber, token, mostCommands+1)
	if err != nil {
		return err
	}
	commands, err := pgx.CollectRows(rows, d.scanCommand)
	if err != nil {
		return err
	}
	if d.Cut = len(commands) > mostCommands; d.Cut {
		commands = commands[1:]
	}
	d.Commands = commands
	return nil
}

func (d *Phone) scanCommand(row pgx.CollectableRow) (NumberCommand, error) {
	var c NumberCommand
	var token, key string
	var generation, sequence, messageTime int64
	var at time.Time
	o := &c.Decided
	err := row.Scan(&token, &key, &c.Accepted.Lane, &generation, &sequence, &messageTime, &at,
		&o.BridgeSlug, &o.ProviderConfigID, &o.PhoneNumber, &o.Provider, &o.Changed, &o.ConnectionVersion, &o.ConnectedAt,
		&o.Code, &o.Message)
	if err != nil {
		return c, err
	}
	c.Organization = handleOf(token)
	if !strings.HasPrefix(key, "@") {
		c.CommandID = &key
	}
	c.Accepted.fill(generation, sequence, messageTime)
	o.finish(at, Numbers{Known: d.PhoneNumber})
	return c, nil
}
