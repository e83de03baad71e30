package messages

import (
	"strings"
	"testing"
)

// TestDefectInReadingIsTheMessagesOwnFailure has the reading panic where no
// message is known to make it: before and after the subject was understood.
func TestDefectInReadingIsTheMessagesOwnFailure(t *testing.T) {
	t.Parallel()
	const subject = "telephony.commands.3.acme.connect-provider"
	for at, organization := range map[string]string{"beginning": OrganizationFromToken("").Token, "end": "acme"} {
		r := guarded(Message{Subject: subject, Sequence: 7, Body: []byte(`{}`)}, func(r *Received) {
			if at == "end" {
				r.read()
				r.Malformed, r.Command.ID = nil, "half read"
			}
			panic("a defect")
		})
		if r.Malformed == nil || r.Malformed.Code != InternalError || !strings.Contains(r.Malformed.Message, "a defect") {
			t.Fatalf("%s: %v", at, r.Malformed)
		}
		if r.Organization.Token != organization || r.Command.ID != "" || r.Sequence != 7 || !strings.HasPrefix(r.Key(), "@") {
			t.Errorf("%s: organization %q, id %q, sequence %d, key %q", at, r.Organization.Token, r.Command.ID, r.Sequence, r.Key())
		}
	}
}
