package messages_test

import (
	"testing"

	"connect-provider/messages"
)

func BenchmarkDecode(b *testing.B) {
	m := message(with(`}`, `,"metadata":{"job":"friday","row":"17"}}`))
	b.ReportAllocs()
	b.SetBytes(int64(len(m.Body)))
	for b.Loop() {
		if r := messages.Decode(m); r.Malformed != nil {
			b.Fatal(r.Malformed)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	r := messages.Decode(message(plain))
	b.ReportAllocs()
	for b.Loop() {
		r.Digest()
	}
}

func BenchmarkEncode(b *testing.B) {
	r := messages.Decode(message(with(`}`, `,"metadata":{"job":"friday","row":"17"}}`)))
	o := messages.Outcome{Provider: "twilio", Changed: true, ConnectionVersion: 1, ConnectedAt: received}
	b.ReportAllocs()
	for b.Loop() {
		event := messages.NewEvent(&r, 1, o, r.Key(), received)
		if _, err := event.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOutcomeDigest(b *testing.B) {
	r := messages.Decode(message(plain))
	event := messages.NewEvent(&r, 1, messages.Outcome{Provider: "twilio", Changed: true}, r.Key(), received)
	b.ReportAllocs()
	for b.Loop() {
		event.OutcomeDigest()
	}
}
