package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"connect-provider/deploy/bench/design"
	"connect-provider/deploy/workload"
)

// compare is the command that compares designs.
type compare struct {
	Commands     int      `default:"100000" help:"How many commands each design decides, at most 100,000."`
	Rounds       int      `default:"3" help:"How often. The designs take turns in each round; medians count."`
	Only         []string `placeholder:"NAME" help:"Designs to compare, with commas between: ${designs} (default all)."`
	JSON         bool     `name:"json" help:"Print the result as JSON."`
	UpdateReadme string   `placeholder:"FILE" help:"Also put the table between the marks in this file."`
}

// Run compares and prints.
func (c *compare) Run(ctx context.Context, t terminal) error {
	designs, err := c.designs()
	if err != nil {
		return err
	}
	result := comparison{Date: time.Now().Format(time.DateOnly), Command: c.String(), Commands: c.Commands, Rounds: c.Rounds}
	if result.Machine, err = thisMachine(ctx); err != nil {
		return err
	}
	runs := make([][]measured, len(designs))
	for round := range c.Rounds {
		for i, d := range designs {
			m, err := measure(ctx, d, c.Commands)
			if err != nil {
				return fmt.Errorf("%s: %w", d.Name, err)
			}
			t.say("round %d of %d: %-11s %7.0f commands/s", round+1, c.Rounds, d.Name, m.rate(c.Commands))
			runs[i] = append(runs[i], m)
		}
	}
	for i, d := range designs {
		result.add(d, runs[i])
	}
	if c.UpdateReadme != "" {
		if err := updateReadme(c.UpdateReadme, result.markdown()); err != nil {
			return err
		}
	}
	return result.print(t.out, c.JSON)
}

func (c *compare) designs() ([]design.Design, error) {
	all := design.All()
	switch {
	case c.Commands < 1 || c.Commands > workload.Hundred().Commands():
		return nil, fmt.Errorf("--commands %d: choose 1 to %d", c.Commands, workload.Hundred().Commands())
	case c.Rounds < 1:
		return nil, fmt.Errorf("--rounds %d: choose 1 or more", c.Rounds)
	case len(c.Only) == 0:
		return all, nil
	}
	var chosen []design.Design
	for _, name := range c.Only {
		i := slices.IndexFunc(all, func(d design.Design) bool { return d.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("--only %s: the designs are %s", name, strings.Join(designNames(), ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func designNames() []string {
	var names []string
	for _, d := range design.All() {
		names = append(names, d.Name)
	}
	return names
}

// String is the command line that repeats the comparison.
func (c *compare) String() string {
	text := "go run ."
	if c.Commands != workload.Hundred().Commands() {
		text += fmt.Sprintf(" --commands %d", c.Commands)
	}
	if c.Rounds != 3 {
		text += fmt.Sprintf(" --rounds %d", c.Rounds)
	}
	if len(c.Only) > 0 {
		text += " --only " + strings.Join(c.Only, ",")
	}
	return text
}
