package messages

import "github.com/nats-io/nats.go/jetstream"

// Keep returns the definition want of a stream that exists as is, with what an
// installation may choose and o does not give as it is. Otherwise mending one
// setting would also shrink a stream to the default size and age, and remove
// what no longer fits. What must be so (no age limit for commands, a short
// duplicate window for them) stays as in want; the cut into lanes does too.
func (o StreamOptions) Keep(is, want jetstream.StreamConfig) jetstream.StreamConfig {
	maxBytes := o.EventsMaxBytes
	switch want.Name {
	case Interactive.Stream():
		maxBytes = o.InteractiveMaxBytes
	case Bulk.Stream():
		maxBytes = o.BulkMaxBytes
	}
	want.Description, want.MaxMsgs = is.Description, is.MaxMsgs
	if maxBytes == 0 {
		want.MaxBytes = is.MaxBytes
	}
	if o.Replicas == 0 {
		want.Replicas = is.Replicas
	}
	if want.Name != EventsStream {
		return want
	}
	if o.EventsMaxAge == 0 {
		want.MaxAge = is.MaxAge
	}
	want.Duplicates = is.Duplicates
	if want.MaxAge > 0 { // the server refuses a window longer than the age
		want.Duplicates = min(want.Duplicates, want.MaxAge)
	}
	if !limited(int64(is.MaxMsgSize)) || is.MaxMsgSize > want.MaxMsgSize {
		want.MaxMsgSize = is.MaxMsgSize
	}
	return want
}
