package onboard

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"connect-provider/messages"
)

var update = flag.Bool("update", false, "write the golden files anew")

func drawOutcome(t *rapid.T) outcome {
	o := outcome{attempt: rapid.IntRange(1, 3).Draw(t, "attempt"), earlier: rapid.Bool().Draw(t, "earlier")}
	if rapid.Bool().Draw(t, "dated") {
		o.decidedAt = time.UnixMicro(rapid.Int64Range(1, 1<<52).Draw(t, "at")).UTC()
	}
	if !rapid.Bool().Draw(t, "failed") {
		o.changed = rapid.Bool().Draw(t, "changed")
		return o
	}
	o.own = rapid.Bool().Draw(t, "own")
	o.failure = &messages.Failure{Code: messages.PhoneNumberInUse, Field: "phone_number", Message: rapid.String().Draw(t, "message")}
	if rapid.Bool().Draw(t, "details") {
		o.failure.Details = map[string]string{"current_bridge_slug": rapid.String().Draw(t, "slug")}
	}
	return o
}

// TestJournalKeepsABeginning: wherever a state file is cut or garbled, what is
// read from it is a beginning of what was written, and it can be gone on with.
func TestJournalKeepsABeginning(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	id := identity{Digest: "abc", Job: "job", Form: CSV}
	rapid.Check(t, func(rt *rapid.T) {
		_ = os.Remove(path)
		var read []outcome
		open := func(id identity) *journal {
			read = nil
			j, err := openJournal(path, id, func(number int64, o *outcome) error {
				if number != int64(len(read))+1 {
					return fmt.Errorf("row %d comes after %d", number, len(read))
				}
				read = append(read, *o)
				return nil
			}, func(standing) {})
			if err != nil {
				rt.Fatal(err)
			}
			return j
		}
		j := open(id)
		var wrote []outcome
		write := func() {
			for range rapid.IntRange(0, 6).Draw(rt, "outcomes") {
				o := drawOutcome(rt)
				wrote = append(wrote, o)
				if err := j.add(int64(len(wrote)), &o); err != nil {
					rt.Fatal(err)
				}
				if rapid.Bool().Draw(rt, "flush") {
					if err := j.flush(); err != nil {
						rt.Fatal(err)
					}
				}
			}
			if err := j.flush(); err != nil {
				rt.Fatal(err)
			}
		}
		write()
		size := j.size
		if err := j.close(); err != nil {
			rt.Fatal(err)
		}
		switch at := rapid.Int64Range(0, size).Draw(rt, "at"); rapid.IntRange(0, 2).Draw(rt, "harm") {
		case 1:
			if err := os.Truncate(path, at); err != nil {
				rt.Fatal(err)
			}
		case 2:
			content, err := os.ReadFile(path)
			if err != nil {
				rt.Fatal(err)
			}
			if at < size {
				content[at] ^= 0x40
			}
			if err := os.WriteFile(path, content, 0o600); err != nil {
				rt.Fatal(err)
			}
		}
		j = open(id)
		if len(read) > len(wrote) || len(read) > 0 && !reflect.DeepEqual(read, wrote[:len(read)]) {
			rt.Fatalf("wrote %+v, read %+v", wrote, read)
		}
		wrote = wrote[:len(read)]
		write()
		places, err := j.outcomes(1, len(wrote)+1)
		if err != nil || places[len(wrote)] != 0 {
			rt.Fatalf("%v, %v", places, err)
		}
		reader := outcomeReader{file: j.file}
		for i, want := range wrote {
			if o, err := reader.at(places[i]); err != nil || !reflect.DeepEqual(o, want) {
				rt.Fatalf("%+v, %v; want %+v", o, err, want)
			}
		}
		if err := j.close(); err != nil {
			rt.Fatal(err)
		}
		other := id
		other.Job = "another"
		if err := open(other).close(); err != nil || len(read) > 0 {
			rt.Fatalf("another job goes on with %+v, %v", read, err)
		}
	})
}

// TestStandingTellsWhatIsEarlier by the place of the message that decided.
func TestStandingTellsWhatIsEarlier(t *testing.T) {
	t.Parallel()
	bulk, interactive := messages.Lane{Class: messages.Bulk, Number: 3}, messages.Lane{Class: messages.Interactive, Number: 3}
	s := standing{token: "acme", lanes: []messages.LaneCursor{{Lane: bulk, Generation: 2, Cursor: 10}, {Lane: interactive, Generation: 1}}}
	for _, tt := range []struct {
		lane       messages.Lane
		generation int64
		sequence   uint64
		want       bool
	}{
		{bulk, 2, 10, true}, {bulk, 2, 11, false}, {bulk, 1, 999, true}, {bulk, 3, 1, false},
		{interactive, 1, 1, false}, {interactive, 0, 1, true}, {messages.Lane{Class: messages.Bulk, Number: 4}, 2, 1, false},
	} {
		if got := s.before(&messages.Decided{Lane: tt.lane, Generation: tt.generation, Sequence: tt.sequence}); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
