package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"connect-provider/messages"
)

// deadLettersCommand groups what can be done with messages that nobody could
// act on.
type deadLettersCommand struct {
	List    letterListCommand    `cmd:"" help:"List dead letters that nobody has redriven, newest last."`
	Show    letterShowCommand    `cmd:"" help:"Show one dead letter: what it holds, why it died, what became of its redrives."`
	Redrive letterRedriveCommand `cmd:"" help:"Publish dead letters again, as new commands."`
	Discard letterDiscardCommand `cmd:"" help:"Delete dead letters for good."`
}

// letterSelection says which dead letters a command is about.
type letterSelection struct {
	IDs      []string `arg:"" optional:"" name:"id" help:"Dead letters, as in c7.1.4711 (lane, generation, sequence)."`
	Code     string   `placeholder:"CODE" help:"Those that died of malformed_command or internal_error."`
	Org      string   `placeholder:"HANDLE" help:"Those of an organization."`
	Lane     string   `placeholder:"LANE" help:"Those of a lane, such as c7."`
	Since    string   `placeholder:"TIME" help:"Those that died then or later: 2026-11-23T10:00:00Z, 2026-11-23, or 2h for two hours ago."`
	Until    string   `placeholder:"TIME" help:"Those that died before then."`
	All      bool     `help:"All that nobody has redriven; needed where nothing else is chosen."`
	Redriven bool     `help:"Those that were redriven, in place of those that were not."`
	Every    bool     `help:"Those that were redriven as well."`
}

// filtered tells whether letters are chosen by what they are.
func (s *letterSelection) filtered() bool {
	return s.Code != "" || s.Org != "" || s.Lane != "" || s.Since != "" || s.Until != "" || s.All
}

func (s *letterSelection) problems(needsOne bool) []error {
	var problems []error
	for _, text := range s.IDs {
		_, err := parseLetterID(text)
		problems = append(problems, err)
	}
	switch {
	case len(s.IDs) > 0 && (s.filtered() || s.Redriven || s.Every):
		problems = append(problems, errors.New("choose dead letters by their ids or by what they are, not by both"))
	case needsOne && len(s.IDs) == 0 && !s.filtered():
		problems = append(problems, errors.New("no dead letter is chosen: give ids, or --code, --org, --lane, --since, --until, or --all"))
	}
	if s.Redriven && s.Every {
		problems = append(problems, errors.New("--redriven and --every: choose one"))
	}
	if s.Code != "" && s.Code != string(messages.MalformedCommand) && s.Code != string(messages.InternalError) {
		problems = append(problems, fmt.Errorf("--code %q: only %s and %s leave dead letters", s.Code, messages.MalformedCommand, messages.InternalError))
	}
	if s.Org != "" {
		if _, err := messages.OrganizationFromHandle(s.Org); err != nil {
			problems = append(problems, fmt.Errorf("--org: %w", err))
		}
	}
	if s.Lane != "" {
		if _, err := messages.ParseLane(s.Lane); err != nil {
			problems = append(problems, fmt.Errorf("--lane: %w", err))
		}
	}
	for flag, text := range map[string]string{"--since": s.Since, "--until": s.Until} {
		if _, err := parseMoment(text, time.Now()); err != nil {
			problems = append(problems, fmt.Errorf("%s %w", flag, err))
		}
	}
	return problems
}

// parseMoment reads a time, a day, or how long ago; nil for nothing.
func parseMoment(text string, now time.Time) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return &t, nil
		}
	}
	if ago, err := time.ParseDuration(strings.TrimPrefix(text, "-")); err == nil {
		t := now.Add(-ago)
		return &t, nil
	}
	return nil, fmt.Errorf("%q: write it as in 2026-11-23T10:00:00Z, 2026-11-23 (UTC), or 2h for two hours ago", text)
}
