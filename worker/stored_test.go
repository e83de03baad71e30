package worker

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestQuestionsGoWhereJetStreamIs: whoever reaches it through another account
// names its domain, or a prefix of the API.
func TestQuestionsGoWhereJetStreamIs(t *testing.T) {
	t.Parallel()
	nc, err := nats.Connect("nats://127.0.0.1:1", nats.RetryOnFailedConnect(true))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for want, open := range map[string]func() (jetstream.JetStream, error){
		"$JS.API.STREAM.MSG.GET.X":           func() (jetstream.JetStream, error) { return jetstream.New(nc) },
		"$JS.telephony.API.STREAM.MSG.GET.X": func() (jetstream.JetStream, error) { return jetstream.NewWithDomain(nc, "telephony") },
		"elsewhere.STREAM.MSG.GET.X":         func() (jetstream.JetStream, error) { return jetstream.NewWithAPIPrefix(nc, "elsewhere") },
	} {
		js, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if have := apiSubject(js, "STREAM.MSG.GET.X"); have != want {
			t.Errorf("asked at %s, want %s (%+v)", have, want, js.Options())
		}
	}
}
