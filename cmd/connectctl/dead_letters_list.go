package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/messages"
)

type letterListCommand struct {
	Selection letterSelection     `embed:""`
	JSON      bool                `name:"json" help:"Print one JSON array."`
	Reveal    bool                `help:"Show phone numbers in full."`
	Database  connection.Database `embed:""`
	Log       program.Log         `embed:""`
}

func (c *letterListCommand) log() program.Log { return c.Log }

func (c *letterListCommand) problems(secrets *program.Secrets) []error {
	return append(c.Database.Resolve(secrets), c.Selection.problems(false)...)
}

func (c *letterListCommand) run(ctx context.Context, p process) error {
	pool, err := openDatabase(ctx, &c.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	letters, err := c.Selection.find(ctx, pool)
	if err != nil {
		return err
	}
	if c.JSON {
		documents := make([]letterDocument, len(letters))
		for i := range letters {
			documents[i] = letters[i].document(c.Reveal)
		}
		return printJSON(p.stdout, documents)
	}
	if len(letters) == 0 {
		fmt.Fprintln(p.stdout, "No dead letter.")
		return nil
	}
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tDIED\tORGANIZATION\tCODE\tREDRIVEN\tERROR")
	for i := range letters {
		l := &letters[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", l.id(), moment(l.died), line(handleOf(l.orgToken)), l.code, l.timesRedriven(), line(c.shown(l.reason)))
	}
	return table.Flush()
}

func (c *letterListCommand) shown(text string) string { return shownText(text, c.Reveal) }

// shownText returns a text for people, without phone numbers unless revealed.
func shownText(text string, reveal bool) string {
	if reveal {
		return printable(text)
	}
	return maskText(text)
}

func (l *letter) timesRedriven() string {
	switch l.redrives {
	case 0:
		return "-"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", l.redrives)
}

// letterDocument is a dead letter in JSON. Its names are a promise: golden files
// hold them.
type letterDocument struct {
	ID          string        `json:"id"`
	Lane        string        `json:"lane"`
	Generation  int64         `json:"generation"`
	Sequence    int64         `json:"sequence"`
	MessageTime time.Time     `json:"message_time"`
	OrgHandle   string        `json:"org_handle,omitempty"` // absent where the token encodes none
	OrgToken    string        `json:"org_token"`
	Code        messages.Code `json:"code"`
	Error       string        `json:"error"`
	DiedAt      time.Time     `json:"died_at"`
	Bytes       int           `json:"bytes"`
	Redrives    int           `json:"redrives"`
	RedrivenAt  *time.Time    `json:"redriven_at,omitempty"`
	RedrivenAs  *string       `json:"redriven_as,omitempty"`
}

func (l *letter) document(reveal bool) letterDocument {
	d := letterDocument{
		ID: l.id().String(), Lane: l.lane.String(), Generation: l.generation, Sequence: l.sequence, MessageTime: time.Unix(0, l.messageTime).UTC(),
		OrgHandle: messages.OrganizationFromKey(l.orgToken).Handle, OrgToken: l.orgToken, Code: l.code, Error: l.reason,
		DiedAt: l.died.UTC(), Bytes: l.bytes, Redrives: l.redrives, RedrivenAs: l.redrivenAs,
	}
	if !reveal {
		d.Error = maskText(l.reason)
	}
	if l.redrivenAt != nil {
		at := l.redrivenAt.UTC()
		d.RedrivenAt = &at
	}
	return d
}

func printJSON(to io.Writer, document any) error {
	text, err := json.MarshalIndent(document, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(to, "%s\n", text)
	}
	return err
}
