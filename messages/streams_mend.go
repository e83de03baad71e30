package messages

import "github.com/nats-io/nats.go/jetstream"

// MendStream returns the definition is with every setting that CompareStream
// finds wrong, and that a server lets change, as in want; all else stays as the
// installation has it. A stream that is cut into another number of lanes keeps
// its cut: changing that would change the order of what it holds.
func MendStream(is, want jetstream.StreamConfig) jetstream.StreamConfig {
	mended := is
	mended.Subjects, mended.Sources = want.Subjects, nil
	if _, err := LanesOf(is); err != nil || want.SubjectTransform == nil {
		mended.SubjectTransform = want.SubjectTransform
	}
	mended.Retention, mended.Discard = want.Retention, want.Discard
	mended.MaxMsgsPerSubject, mended.MaxMsgSize = want.MaxMsgsPerSubject, want.MaxMsgSize
	mended.NoAck, mended.AllowRollup, mended.SubjectDeleteMarkerTTL = false, false, 0
	mended.MaxAge, mended.Duplicates = want.MaxAge, want.Duplicates
	mended.AllowDirect, mended.AllowAtomicPublish, mended.AllowBatchPublish = want.AllowDirect, want.AllowAtomicPublish, false
	mended.Replicas, mended.MaxBytes, mended.MaxMsgs, mended.MaxConsumers = want.Replicas, want.MaxBytes, want.MaxMsgs, want.MaxConsumers
	mended.DenyDelete, mended.RePublish, mended.Description = want.DenyDelete, nil, want.Description
	return mended
}
