package messages_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"connect-provider/messages"
)

func TestPreviewSubjects(t *testing.T) {
	t.Parallel()
	o, err := messages.OrganizationFromHandle("example.com")
	if err != nil {
		t.Fatal(err)
	}
	subject := messages.PreviewsSubject(o)
	if subject != "telephony.previews.example%2Ecom" || messages.PreviewsFilter != "telephony.previews.*" {
		t.Errorf("%q, %q", subject, messages.PreviewsFilter)
	}
	if back, token, err := messages.ParsePreviewsSubject(subject); back != o || token != "example%2Ecom" || err != nil {
		t.Errorf("%+v %q %v", back, token, err)
	}
	for _, subject := range []string{"", "telephony.previews", "telephony.previews.", "telephony.previews.a.b", "telephony.outcomes.acme"} {
		if o, _, err := messages.ParsePreviewsSubject(subject); err == nil {
			t.Errorf("%q: read as %+v", subject, o)
		}
	}
}

func TestGoldenPreviews(t *testing.T) {
	t.Parallel()
	body, err := messages.EncodeCommand(messages.Command{ID: "order-7731-line-4", BridgeSlug: "sales-bridge-001", ProviderConfigID: 42, PhoneNumber: "+1234567890"})
	if err != nil {
		t.Fatal(err)
	}
	for file, q := range map[string]messages.PreviewRequest{
		"request.txt": {Commands: [][]byte{body}},
		"request-assuming.txt": {
			Commands:    [][]byte{body, body},
			Connections: []messages.AssumedConnection{{PhoneNumber: "+1234567890", BridgeSlug: "sales-bridge-001", ProviderConfigID: 42, Provider: "twilio"}},
			Bridges:     []messages.AssumedBridge{{BridgeSlug: "sales-bridge-001", Provider: "twilio", Numbers: 1}, {BridgeSlug: "sales-bridge-001", Provider: "plivo", Numbers: -1}},
		},
	} {
		text, err := messages.EncodePreviewRequest(q)
		if err != nil {
			t.Fatal(err)
		}
		m := golden(t, filepath.Join("previews", file), "telephony.previews.acme", nil, text)
		if got, err := messages.DecodePreviewRequest(m.Body); err != nil || !reflect.DeepEqual(got, q) {
			t.Errorf("%s: %+v, %v", file, got, err)
		}
		if err := against(previewRequestSchema(), m.Body); err != nil {
			t.Error(err)
		}
		if text := fmt.Sprintf("%v %+v %#v %v", q, q, q, q.Connections); strings.Contains(text, "1234567890") {
			t.Errorf("reveals a number: %s", text)
		}
	}
	answer := messages.PreviewAnswer{Previews: []messages.Preview{
		{Changed: true, Provider: "twilio"},
		{Changed: true, Provider: "twilio", PreviousProvider: "plivo"},
		{Provider: "twilio"},
		{Decided: true},
		{Error: failedOutcome("a").Data.Error, Provider: "twilio"},
		{Error: &messages.Failure{Code: messages.MalformedCommand, Message: "no object"}},
	}}
	text, err := answer.Encode(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	m := golden(t, filepath.Join("previews", "answer.txt"), "_INBOX.acme", nil, text)
	if got, err := messages.DecodePreviewAnswer(m.Body); err != nil || !reflect.DeepEqual(got, answer) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := against(previewAnswerSchema(), m.Body); err != nil {
		t.Error(err)
	}
}

func TestPreviewRequestsAreReadStrictly(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		``, `[]`, `{}`, `{"commands":null}`, `{"commands":{}}`, `{"commands":[],"commands":[]}`, `{"commands":[],"more":1}`, `{"commands":[]} {}`,
		`{"commands":[],"connections":[{"phone":"+1"}]}`, `{"commands":[],"bridges":[{"numbers":"1"}]}`, `{"commands":[],"bridges":[{"numbers":1000000001}]}`,
		`{"commands":[` + strings.TrimSuffix(strings.Repeat(`1,`, messages.MaxPreviews+1), ",") + `]}`, "{\"commands\":[\"\xff\"]}",
	} {
		if got, err := messages.DecodePreviewRequest([]byte(body)); err == nil {
			t.Errorf("%.60q: read as %v", body, got)
		} else if strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%.60q: %q", body, err)
		}
	}
}

// However little room there is, an answer keeps within it, and tells of the first
// commands.
func TestPreviewAnswersKeepWithinTheirRoom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var answer messages.PreviewAnswer
		for range rapid.IntRange(1, 6).Draw(t, "previews") {
			answer.Previews = append(answer.Previews, messages.Preview{Changed: true, Provider: strings.Repeat("p", rapid.IntRange(1, 40).Draw(t, "provider"))})
		}
		limit := rapid.IntRange(0, 400).Draw(t, "limit")
		body, err := answer.Encode(limit)
		if err != nil {
			if limit > 100 {
				t.Fatal(err)
			}
			return
		}
		got, err := messages.DecodePreviewAnswer(body)
		if err != nil || len(body) > limit || len(got.Previews) == 0 || !reflect.DeepEqual(got.Previews, answer.Previews[:len(got.Previews)]) {
			t.Fatalf("%d bytes of %d, %+v, %v", len(body), limit, got, err)
		}
	})
}

func TestGoldenJobs(t *testing.T) {
	t.Parallel()
	for file, jobs := range map[string][]string{"request-jobs.txt": {"friday", "Umzug \"Süd\""}, "request-last-jobs.txt": {}} {
		body, err := messages.EncodeJobsRequest(jobs)
		if err != nil {
			t.Fatal(err)
		}
		m := golden(t, filepath.Join("outcomes", file), "telephony.outcomes.acme", nil, body)
		if got, err := messages.DecodeOutcomesRequest(m.Body); err != nil || !reflect.DeepEqual(got.Jobs, jobs) || len(got.CommandIDs) != 0 {
			t.Errorf("%s: %+v, %v", file, got, err)
		}
		if err := against(outcomesRequestSchema(), m.Body); err != nil {
			t.Error(err)
		}
	}
	lane := messages.LaneCursor{Lane: messages.Lane{Class: messages.Bulk, Number: 15}}
	answer := messages.OutcomesAnswer{
		OrgHandle: "acme", Lanes: []messages.LaneCursor{lane}, Unknown: []string{}, Unanswered: []string{},
		Jobs: []messages.JobOutcomes{
			{Job: "friday", FirstDecidedAt: decidedAt, LastDecidedAt: decidedAt.Add(time.Minute), Commands: map[string]int64{"connected": 981, "unchanged": 2, "bridge_not_found": 17}},
			{Job: "monday", FirstDecidedAt: decidedAt.Add(-time.Hour), LastDecidedAt: decidedAt.Add(-time.Hour), Commands: map[string]int64{"connected": 1}},
		},
	}
	body, err := answer.Encode(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	m := golden(t, filepath.Join("outcomes", "answer-jobs.txt"), "_INBOX.acme", nil, body)
	if got, err := messages.DecodeOutcomesAnswer(m.Body); err != nil || !reflect.DeepEqual(got, answer) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := against(outcomesAnswerSchema(), m.Body); err != nil {
		t.Error(err)
	}
	// where there is little room the last job is told of
	body, err = answer.Encode(700)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := messages.DecodeOutcomesAnswer(body); err != nil || len(got.Jobs) != 1 || got.Jobs[0].Job != "friday" {
		t.Errorf("%+v, %v", got.Jobs, err)
	}
	for _, jobs := range [][]string{{""}, {strings.Repeat("x", 1025)}, {"a\x00"}, {"\xff"}, make([]string, 101)} {
		if body, err := messages.EncodeJobsRequest(jobs); err == nil {
			t.Errorf("encoded %s", body)
		}
	}
}
