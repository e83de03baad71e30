package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"connect-provider/deploy/bench/bed"
	"connect-provider/deploy/bench/design"
	"connect-provider/deploy/workload"
	"connect-provider/messages"
)

// level is the command that measures whether cost stays level as tables grow.
type level struct {
	Rows   int  `default:"10000000" help:"How many connections, and inbox rows, are there already, up to the next 200,000."`
	Rounds int  `default:"3" help:"How often. Without and with the rows take turns; medians count."`
	JSON   bool `name:"json" help:"Print the result as JSON."`
}

//go:embed sql/grown_connections.sql
var grownConnectionsSQL string

//go:embed sql/grown_inbox.sql
var grownInboxSQL string

// grownOrganizations is whose the rows are.
const grownOrganizations = 1000

// levels is the result: commands a second of each round.
type levels struct {
	Rows    int       `json:"rows"`
	Without []float64 `json:"without_commands_per_second"`
	With    []float64 `json:"with_commands_per_second"`
	Ratio   float64   `json:"ratio"`
}

// Run measures and prints.
func (l *level) Run(ctx context.Context, t terminal) (err error) {
	if l.Rows < grownOrganizations || l.Rounds < 1 || l.Rounds > 9 {
		return fmt.Errorf("--rows %d, --rounds %d: choose %d rows or more and 1 to 9 rounds", l.Rows, l.Rounds, grownOrganizations)
	}
	empty, err := bed.Start(ctx, messages.StreamOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, empty.Close()) }()
	grown, err := bed.Start(ctx, messages.StreamOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, grown.Close()) }()
	result := levels{}
	if result.Rows, err = l.grow(ctx, grown, t); err != nil {
		return err
	}
	var ratios []float64
	for round := range l.Rounds {
		without, err := l.measure(ctx, empty, round)
		if err != nil {
			return err
		}
		with, err := l.measure(ctx, grown, round)
		if err != nil {
			return err
		}
		t.say("round %d of %d: %7.0f commands/s without, %7.0f with the rows", round+1, l.Rounds, without, with)
		result.Without, result.With, ratios = append(result.Without, without), append(result.With, with), append(ratios, with/without)
	}
	result.Ratio = median(ratios)
	return result.print(t.out, l.JSON)
}

// grow makes the rows as commands would have left them, of organizations of their
// own, with what autovacuum does to tables that have grown. It returns how many.
func (l *level) grow(ctx context.Context, b *bed.Bed, t terminal) (rows int, err error) {
	w := workload.Workload{Prefix: "grown", Numbering: "+998", Organizations: grownOrganizations, Bridges: 200, Numbers: (l.Rows/grownOrganizations + 199) / 200}
	t.say("making %s rows of each kind", thousands(float64(w.Commands())))
	if err := w.Load(ctx, b.Pool); err != nil {
		return 0, err
	}
	for _, sql := range []string{grownConnectionsSQL, grownInboxSQL} {
		for organization := 0; organization < grownOrganizations; organization += 50 {
			if _, err := b.Pool.Exec(ctx, sql, organization, organization+50, w.Organizations, w.Bridges, w.Numbers); err != nil {
				return 0, fmt.Errorf("make rows: %w", err)
			}
		}
	}
	for _, sql := range []string{"vacuum analyze connect_provider.connections", "vacuum analyze connect_provider.inbox", "checkpoint"} {
		if _, err := b.Pool.Exec(ctx, sql); err != nil {
			return 0, err
		}
	}
	return w.Commands(), w.Check(ctx, b.Pool, w.Commands())
}

// measure has a worker decide commands of organizations that this round alone has.
func (l *level) measure(ctx context.Context, b *bed.Bed, round int) (rate float64, err error) {
	w := workload.Hundred()
	w.Prefix, w.Numbering = fmt.Sprintf("round-%d", round), fmt.Sprintf("+97%d", round)
	if err := w.Load(ctx, b.Pool); err != nil {
		return 0, err
	}
	if err := w.Publish(ctx, b.NC, 0, w.Commands()); err != nil {
		return 0, err
	}
	work, err := design.Worker(ctx, b)
	if err != nil {
		return 0, err
	}
	m, err := clock(ctx, b, work, (round+1)*w.Commands())
	if err != nil {
		return 0, err
	}
	return m.rate(w.Commands()), w.Check(ctx, b.Pool, w.Commands())
}

func (l levels) print(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(l)
	}
	_, err := fmt.Fprintf(out, "| The worker beside | commands/s |\n|---|--:|\n| no rows | %s |\n| %s connections and inbox rows | %s |\n| ratio | %.2f |\n",
		thousands(median(l.Without)), thousands(float64(l.Rows)), thousands(median(l.With)), l.Ratio)
	return err
}
