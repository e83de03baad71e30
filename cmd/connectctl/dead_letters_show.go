package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
)

type letterShowCommand struct {
	ID       string              `arg:"" name:"id" help:"The dead letter, as in c7.1.4711."`
	JSON     bool                `name:"json" help:"Print one JSON document."`
	Reveal   bool                `help:"Show phone numbers in full, and the bytes as they are."`
	Database connection.Database `embed:""`
	Log      program.Log         `embed:""`
}

func (c *letterShowCommand) log() program.Log { return c.Log }

func (c *letterShowCommand) problems(secrets *program.Secrets) []error {
	_, err := parseLetterID(c.ID)
	return append(c.Database.Resolve(secrets), err)
}

func (c *letterShowCommand) run(ctx context.Context, p process) error {
	pool, err := openDatabase(ctx, &c.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	letters, err := lettersByID(ctx, pool, []string{c.ID})
	if err != nil {
		return err
	}
	l := &letters[0]
	held, err := l.content(ctx, pool)
	if err != nil {
		return err
	}
	attempts, err := l.attempts(ctx, pool)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p.stdout, c.document(l, held, attempts))
	}
	c.print(p, l, held, attempts)
	return nil
}

// attempt is one redrive of a dead letter.
type attempt struct {
	CommandID string `json:"command_id"` // empty where the bytes carried none
	// Outcome is "connected", "failed" or "unknown": not decided yet, past the
	// inbox's retention, or failed without its id having been understood.
	Outcome   string     `json:"outcome"`
	Code      string     `json:"code,omitempty"`
	Message   string     `json:"message,omitempty"`
	DecidedAt *time.Time `json:"decided_at,omitempty"`
}

// attempts returns the letter's redrives with what the inbox knows of them.
func (l *letter) attempts(ctx context.Context, pool *pgxpool.Pool) ([]attempt, error) {
	attempts := make([]attempt, l.redrives)
	ids := make([]string, l.redrives)
	for i := range attempts {
		ids[i] = l.attempt(i + 1)
		attempts[i] = attempt{CommandID: ids[i], Outcome: "unknown"}
	}
	if l.redrives > 0 && l.redrivenAs != nil {
		// as it was called then: the id may have become ambiguous since, and
		// bytes that carry none were published without
		ids[l.redrives-1] = *l.redrivenAs
		attempts[l.redrives-1].CommandID = *l.redrivenAs
	}
	if l.redrives == 0 {
		return attempts, nil
	}
	rows, err := pool.Query(ctx, statement("decided_keys"), l.orgToken, ids)
	if err != nil {
		return nil, fmt.Errorf("outcomes of redrives: %w", err)
	}
	var key, code, message string
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&key, &code, &message, &at}, func() error {
		i := slices.Index(ids, key)
		if i < 0 {
			return errors.New("the database answered what was not asked")
		}
		decided := at.UTC()
		attempts[i].Outcome, attempts[i].Code, attempts[i].Message, attempts[i].DecidedAt = "failed", code, message, &decided
		if code == "" {
			attempts[i].Outcome = "connected"
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("outcomes of redrives: %w", err)
	}
	return attempts, nil
}

func (c *letterShowCommand) print(p process, l *letter, held content, attempts []attempt) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(p.stdout, "%-13s %s\n", name, fmt.Sprintf(format, args...))
	}
	shown := func(text string) string { return line(shownText(text, c.Reveal)) }
	row("dead letter", "%s", l.id())
	row("organization", "%s", line(handleOf(l.orgToken)))
	row("subject", "%s", line(held.subject))
	row("accepted", "%s", time.Unix(0, l.messageTime).UTC().Format(time.RFC3339Nano))
	row("died", "%s", moment(l.died))
	row("code", "%s", l.code)
	row("error", "%s", shown(l.reason))
	for i, a := range attempts {
		text := "outcome not known: not decided yet, past the inbox's retention, or not understood"
		if a.CommandID == "" {
			a.CommandID, text = "without an id", "its outcome can't be told from others"
		}
		switch a.Outcome {
		case "connected":
			text = "connected " + moment(*a.DecidedAt)
		case "failed":
			text = fmt.Sprintf("failed %s: %s: %s", moment(*a.DecidedAt), a.Code, shown(a.Message))
		}
		row(fmt.Sprintf("redrive %d", i+1), "%s: %s", a.CommandID, text)
	}
	if l.redrivenAt != nil {
		row("last redriven", "%s", moment(*l.redrivenAt))
	}
	for _, name := range slices.Sorted(maps.Keys(held.header)) {
		for _, value := range held.header[name] {
			row("header", "%s: %s", line(name), shown(value))
		}
	}
	fmt.Fprintf(p.stdout, "body          %d bytes\n\n%s\n", len(held.body), shownBody(held.body, c.Reveal))
}

// shownLetter is what show prints in JSON.
type shownLetter struct {
	letterDocument
	Subject string              `json:"subject"`
	Headers map[string][]string `json:"headers,omitempty"`
	// Body is the text as it is shown to people; with --reveal BodyBase64 has
	// the bytes themselves.
	Body       string    `json:"body"`
	BodyBase64 string    `json:"body_base64,omitempty"`
	Attempts   []attempt `json:"attempts,omitempty"`
}

func (c *letterShowCommand) document(l *letter, held content, attempts []attempt) shownLetter {
	d := shownLetter{letterDocument: l.document(c.Reveal), Subject: held.subject, Body: shownBody(held.body, c.Reveal), Attempts: attempts}
	if len(held.header) > 0 {
		d.Headers = map[string][]string{}
	}
	for name, values := range held.header {
		for _, value := range values {
			d.Headers[name] = append(d.Headers[name], shownText(value, c.Reveal))
		}
	}
	for i := range attempts {
		attempts[i].Message = shownText(attempts[i].Message, c.Reveal)
	}
	if c.Reveal {
		d.BodyBase64 = base64.StdEncoding.EncodeToString(held.body)
	}
	return d
}
