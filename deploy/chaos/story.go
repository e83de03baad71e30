package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"connect-provider/deploy/chaos/arena"
	"connect-provider/deploy/chaos/judge"
	"connect-provider/deploy/chaos/load"
)

const (
	mostFindings = 8  // that are told
	mostStories  = 2  // of findings of different kinds
	mostLines    = 45 // of one story
)

// tell says what was found in an act, and tells the first findings' stories.
func (t *attempt) tell(act string, findings []judge.Finding, played *arena.Played) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, seed %d: %d findings\n", act, t.options.Seed, len(findings))
	for i, f := range findings {
		if i == mostFindings {
			fmt.Fprintf(&b, "  … and %d more\n", len(findings)-i)
			break
		}
		fmt.Fprintf(&b, "  %s\n", f)
	}
	told := map[judge.Kind]bool{}
	for _, f := range findings {
		if len(told) == mostStories || told[f.Kind] || f.Lane == "" {
			continue
		}
		told[f.Kind] = true
		fmt.Fprintf(&b, "\nthe story of the first finding of the kind %q:\n", f.Kind)
		for _, line := range t.story(f, played) {
			fmt.Fprintf(&b, "  %s  %s\n", line.At.Local().Format("15:04:05.000"), line.What)
		}
	}
	return b.String()
}

// story is what happened to a finding's command and lane, in order of time,
// from a little before the command came until its last sign.
func (t *attempt) story(f judge.Finding, played *arena.Played) []arena.Entry {
	own := commandStory(f, played)
	from, to := played.Began, time.Now()
	if len(own) > 0 {
		slices.SortStableFunc(own, byTime)
		from, to = own[0].At.Add(-2*time.Second), own[len(own)-1].At.Add(2*time.Second)
	}
	lane := t.laneStory(f.Lane, from, to)
	lines := append(append(own, lane...), t.journal.Between(from, to)...)
	slices.SortStableFunc(lines, byTime)
	return shorten(lines)
}

// shorten leaves out what is furthest from the command's own way.
func shorten(lines []arena.Entry) []arena.Entry {
	left := len(lines) - mostLines
	for i := 0; i < len(lines) && left > 0; {
		if strings.HasPrefix(lines[i].What, "* ") {
			i++
			continue
		}
		lines = slices.Delete(lines, i, i+1)
		left--
	}
	return lines
}

func byTime(a, b arena.Entry) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) }

// commandStory is the way of one command, and of others under its id.
func commandStory(f judge.Finding, played *arena.Played) (lines []arena.Entry) {
	say := func(at time.Time, format string, args ...any) {
		lines = append(lines, arena.Entry{At: at, What: "* " + fmt.Sprintf(format, args...)})
	}
	concerns := func(token, id, lane string, sequence uint64) bool {
		return token == f.Token && (f.ID != "" && id == f.ID || lane == f.Lane && sequence == f.Sequence)
	}
	for _, s := range played.Stored {
		if concerns(s.Organization.Token, s.Command.ID, s.Lane.String(), s.Sequence) {
			gone := ""
			if s.Gone {
				gone = ", which an attack destroyed later"
			}
			say(s.Time, "message %d of lane %s is stored (%d bytes)%s: %.300s", s.Sequence, s.Lane, len(s.Body), gone, s.Body)
		}
	}
	for _, r := range played.Rows {
		if concerns(r.Token, r.Key, r.Lane.String(), r.Sequence) {
			what := "connected"
			if r.Outcome.Failure != nil {
				what = string(r.Outcome.Failure.Code)
			} else if !r.Outcome.Changed {
				what = "unchanged"
			}
			say(r.Committed, "message %d of lane %s, generation %d, is decided as %s: %s, version %d", r.Sequence, r.Lane, r.Generation, r.Key, what, r.Outcome.ConnectionVersion)
		}
	}
	for _, p := range played.Events {
		if concerns(p.Event.Organization.Token, p.Event.CommandID, p.Event.Lane.String(), p.Event.Sequence) {
			say(p.Seen, "event %d of the stream is read: %.400s", p.Sequence, p.Body)
		}
	}
	return lines
}

// laneStory is what workers have logged of a lane.
func (t *attempt) laneStory(lane string, from, to time.Time) (lines []arena.Entry) {
	for _, w := range t.arena.Workers {
		log, err := os.ReadFile(w.Log())
		if err != nil {
			continue
		}
		scanner := bufio.NewScanner(bytes.NewReader(log))
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			var entry map[string]any
			// of the numbers that can't be written there are too many to be told
			if bytes.Contains(scanner.Bytes(), []byte(load.Constraint)) || json.Unmarshal(scanner.Bytes(), &entry) != nil || entry["lane"] != lane {
				continue
			}
			at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(entry["time"]))
			if err != nil || at.Before(from) || at.After(to) {
				continue
			}
			what := fmt.Sprintf("%s: %v", w.Name, entry["message"])
			for _, name := range []string{"epoch", "generation", "cursor", "until", "commands", "first_sequence", "events", "because", "cause", "doubt", "error"} {
				if value, ok := entry[name]; ok {
					what += fmt.Sprintf(", %s %v", name, value)
				}
			}
			lines = append(lines, arena.Entry{At: at, What: what})
		}
	}
	return lines
}
