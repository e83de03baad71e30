package load

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"connect-provider/messages"
)

// TestMessagesMeanWhatTheirMakerMeant: what the worker reads in a message is
// what was put into it.
func TestMessagesMeanWhatTheirMakerMeant(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	p := NewPlatform(12)
	p.Grow(r, 20)
	s := NewSource(r, p)
	malformed := 0
	for range 3 {
		p.Grow(r, 10)
		for _, c := range s.Draw(4000) {
			if c.Refused {
				continue
			}
			m := messages.Message{Time: time.Unix(5, 0), StreamCreated: time.Unix(4, 0), Sequence: 7, Header: c.Header, Body: c.Body}
			tail := c.Subject[len("telephony.bulk"):]
			if c.Class == messages.Interactive {
				tail = c.Subject[len("telephony.commands"):]
			}
			m.Subject = c.Subject[:len(c.Subject)-len(tail)] + ".3" + tail
			read := messages.Decode(m)
			intent, known := s.Intent(&m)
			if !known || !reflect.DeepEqual(intent, c.Intent) {
				t.Fatalf("the intent of %s %s is taken for %+v", c.Subject, c.Body, intent)
			}
			if c.Intent.Malformed != (read.Malformed != nil) {
				t.Fatalf("%s %v %q: read as %v (%v), meant as %+v", c.Subject, c.Header, c.Body, read, read.Malformed, c.Intent)
			}
			if c.Intent.Malformed {
				malformed++
				continue
			}
			content := Content{Bridge: read.Command.BridgeSlug, Configuration: read.Command.ProviderConfigID, Phone: read.Command.PhoneNumber}
			if read.Command.OrgHandle != nil {
				content.OrgHandle = *read.Command.OrgHandle
			}
			if content != c.Intent.Content || read.Organization.Token != c.Intent.Token || c.Intent.ID != "" && read.Command.ID != c.Intent.ID {
				t.Fatalf("%s %q: read as %v, meant as %+v", c.Subject, c.Body, read, c.Intent)
			}
		}
	}
	if malformed < 100 {
		t.Fatalf("%d messages are malformed", malformed)
	}
}

// TestASeedMakesTheSameAgain: a run can be replayed.
func TestASeedMakesTheSameAgain(t *testing.T) {
	draw := func() (*Platform, []Command) {
		r := rand.New(rand.NewPCG(3, 4))
		p := NewPlatform(5)
		p.Grow(r, 20)
		s := NewSource(r, p)
		drawn := s.Draw(2000)
		p.Grow(r, 5)
		return p, append(drawn, s.Draw(500)...)
	}
	firstPlatform, first := draw()
	secondPlatform, second := draw()
	if !reflect.DeepEqual(first, second) || !reflect.DeepEqual(firstPlatform, secondPlatform) {
		t.Fatal("two draws from one seed differ")
	}
}
