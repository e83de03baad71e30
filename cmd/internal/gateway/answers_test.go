package gateway

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

var update = flag.Bool("update", false, "write the golden files")

// document is the answer that the platform's document shows.
const document = `{
  "status_code": 200,
  "message": "Provider connected to bridge successfully.",
  "data": {
    "message": "Provider connected successfully",
    "bridge_slug": "sales-bridge-001",
    "phone_number": "+1234567890"
  }
}`

func TestTheDocumentsCallGetsTheDocumentsAnswer(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	g := b.serve()
	var want bytes.Buffer
	if err := json.Compact(&want, []byte(document)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{connectTo("sales-bridge-001"), strings.TrimSuffix(connectTo("sales-bridge-001"), "/")} {
		answer := g.ask(at(http.MethodPost, path))
		if answer.has(t, 200, ""); answer.body != want.String() {
			t.Errorf("%s: answered %s, the document has %s", path, answer.body, want.String())
		}
	}
}

// TestAnswers holds every answer against its golden file, whose name begins with
// the route's.
func TestAnswers(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	g := b.serve(func(c *Config) { c.InFlight = 1 })
	for _, test := range []struct {
		name   string
		change []func(*asked)
	}{
		{"connect-connected", []func(*asked){key("first")}},
		{"connect-connected-again", []func(*asked){key("first")}},
		{"connect-connected-as-it-was", []func(*asked){key("second")}},
		{"connect-key-in-quotes", []func(*asked){key(`"first"`)}},
		{"connect-other-members-are-ignored", []func(*asked){key("third"), content(`{"note":{"a":[1]},"provider_config_id":42,"phone_number":"+1234567890"}`)}},
		{"connect-charset", []func(*asked){key("first"), with("Content-Type", "Application/JSON; charset=utf-8")}},
		{"connect-dotted-organization", []func(*asked){key("dotted"), from(dottedToken, "example.com"), to("front-desk"), connecting(5, "+1234567811")}},
		{"connect-key-with-other-content", []func(*asked){key("first"), to("support-bridge-001")}},
		{"connect-phone-number-invalid", []func(*asked){key("f1"), connecting(42, "1234567890")}},
		{"connect-bridge-not-found", []func(*asked){key("f2"), to("nowhere")}},
		{"connect-bridge-of-another", []func(*asked){key("f3"), to("main-bridge")}},
		{"connect-provider-config-not-found", []func(*asked){key("f4"), connecting(77, "+1234567890")}},
		{"connect-provider-config-inactive", []func(*asked){key("f5"), connecting(9, "+1234567899")}},
		{"connect-phone-number-not-linked", []func(*asked){key("f6"), connecting(1, "+1234567890")}},
		{"connect-phone-number-in-use", []func(*asked){key("f7"), to("support-bridge-001")}},
		{"connect-bridge-has-other-provider", []func(*asked){key("f8"), connecting(7, "+1234567897")}},
		{"connect-method", []func(*asked){at(http.MethodGet, connectTo("sales-bridge-001"))}},
		{"connect-media-type", []func(*asked){with("Content-Type", "text/plain")}},
		{"connect-media-type-missing", []func(*asked){with("Content-Type", "")}},
		{"connect-too-large", []func(*asked){content(`{"note":"` + strings.Repeat("x", messages.MaxBody) + `"}`)}},
		{"connect-token-missing", []func(*asked){with("Authorization", "")}},
		{"connect-token-of-another-kind", []func(*asked){with("Authorization", "Bearer "+acmeToken)}},
		{"connect-token-unknown", []func(*asked){with("Authorization", "Token nobodys")}},
		{"connect-org-handle-missing", []func(*asked){with("Org-Handle", "")}},
		{"connect-organization-of-another", []func(*asked){with("Org-Handle", "globex")}},
		{"connect-organization-of-nobody", []func(*asked){with("Org-Handle", "nobody")}},
		{"connect-key-invalid", []func(*asked){key("an order")}},
		{"connect-body-empty", []func(*asked){content("")}},
		{"connect-body-no-object", []func(*asked){content(`[42]`)}},
		{"connect-body-null", []func(*asked){content(`null`)}},
		{"connect-body-twice", []func(*asked){content(exampleBody + exampleBody)}},
		{"connect-body-duplicate", []func(*asked){content(`{"provider_config_id":42,"provider_config_id":1,"phone_number":"+1234567890"}`)}},
		{"connect-provider-missing", []func(*asked){content(`{"phone_number":"+1234567890"}`)}},
		{"connect-provider-text", []func(*asked){content(`{"provider_config_id":"42","phone_number":"+1234567890"}`)}},
		{"connect-provider-fraction", []func(*asked){content(`{"provider_config_id":42.5,"phone_number":"+1234567890"}`)}},
		{"connect-phone-missing", []func(*asked){content(`{"provider_config_id":42}`)}},
		{"connect-phone-number", []func(*asked){content(`{"provider_config_id":42,"phone_number":1234567890}`)}},
		{"connect-phone-with-nul", []func(*asked){content(`{"provider_config_id":42,"phone_number":"+123\u0000"}`)}},
		{"command-connected", []func(*asked){about("first")}},
		{"command-failed", []func(*asked){about("f2")}},
		{"command-unknown", []func(*asked){about("never")}},
		{"command-never", []func(*asked){about("never"), func(a *asked) { a.path += "?sequence=1" }}},
		{"command-of-another", []func(*asked){about("first"), from(globexToken, "globex")}},
		{"command-no-id", []func(*asked){about("an%20order")}},
		{"command-method", []func(*asked){about("first"), func(a *asked) { a.method = http.MethodDelete }}},
		{"command-token-unknown", []func(*asked){about("first"), with("Authorization", "Token nobodys")}},
		{"command-org-handle-missing", []func(*asked){about("first"), with("Org-Handle", "")}},
		{"command-organization-of-another", []func(*asked){about("first"), with("Org-Handle", "globex")}},
		{"none-nothing-there", []func(*asked){at(http.MethodGet, "/api/v1/")}},
		{"openapi-method", []func(*asked){at(http.MethodPut, openAPIPath)}},
	} {
		g.ask(test.change...).golden(t, test.name)
	}

	// what needs that nobody decides
	alone := newBed(t)
	waiting, away := alone.serve(func(c *Config) { c.InFlight = 1 }), alone.serve()
	first := waiting.meanwhile(key("waits"))
	alone.awaitCommands(1)
	waiting.ask(key("another")).golden(t, "connect-too-many")
	waiting.ask(about("another")).golden(t, "command-too-many")
	waiting.ask(about("waits"), from(globexToken, "globex")).golden(t, "command-unavailable")
	waiting.cut() // as at the end of the drain timeout
	(<-first).golden(t, "connect-undecided")
	alone.serve(func(c *Config) {
		c.JetStream, c.Wait = &badAcks{JetStream: alone.js, lost: 1 << 30}, 200*time.Millisecond
	}).ask(key("waits")).golden(t, "connect-acceptance-unknown")
	alone.server.Stop()
	away.ask(key("waits")).golden(t, "connect-not-accepted")

	// what needs that it is decided later
	later := newBed(t)
	later.work()
	later.pause("acme")
	patient := later.serve(func(c *Config) { c.Wait = 200 * time.Millisecond })
	answer := patient.ask(key("later"))
	answer.golden(t, "connect-undecided-paused")
	place := at(http.MethodGet, answer.header.Get("Location"))
	patient.ask(place).golden(t, "command-undecided")
	later.resume("acme")
	systemtest.Eventually(t, "the outcome", func() error { return patient.ask(place).want(200) })
	patient.ask(place).golden(t, "command-connected-later")

	// what needs that the worker has given up
	broken := newBed(t)
	serving := broken.serve()
	failed := serving.meanwhile(key("breaks"))
	broken.awaitCommands(1)
	broken.tell(broken.command(1), messages.Outcome{Failure: &messages.Failure{Code: messages.InternalError, Message: "The command could not be processed; its bytes are kept for the operator."}})
	(<-failed).golden(t, "connect-internal-error")
}

// golden holds an answer against its file.
func (g got) golden(t *testing.T, name string) {
	t.Helper()
	file := filepath.Join("testdata", "answers", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(g.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if g.String() != string(want) {
		t.Errorf("%s: answered\n%swant\n%s", name, g, want)
	}
}
