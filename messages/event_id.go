package messages

import (
	"github.com/google/uuid"
)

// eventNamespace is the namespace of event ids. Changing it would make every
// event that is made again a new one.
var eventNamespace = uuid.MustParse("5d0a6f2e-3c1b-5a47-9e55-7f2b8c64d901")

// EventID returns the id of the event of one inbox row: a name-based UUID
// (version 5), so it is the same whenever, and by whomever, the event is made
// again.
func EventID(token, key string) uuid.UUID {
	name := make([]byte, 0, 192)
	name = append(name, token...)
	name = append(name, 0)
	return uuid.NewSHA1(eventNamespace, append(name, key...))
}

// Correct returns e as the correction of the latest event about the same
// command, which told another outcome. Its id follows from the latest one and
// the new outcome.
func (e Event) Correct(latest Event) Event {
	outcome := e.OutcomeDigest()
	corrected := latest.ID
	e.ID, e.Corrects = uuid.NewSHA1(corrected, outcome[:]), &corrected
	return e
}
