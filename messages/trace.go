package messages

import "strings"

// Trace is a W3C trace context, passed on from a command to its event.
type Trace struct {
	Parent, State string
}

// traceFrom takes the CloudEvent's extension if there is one (the context in
// which the event was made), else the message's headers. What does not have the
// shape that W3C Trace Context gives it is dropped: it is optional, and no
// reason to fail a command.
func (r *Received) traceFrom(e envelope) Trace {
	t := Trace{Parent: e.traceParent, State: e.traceState}
	if !validTraceParent(t.Parent) {
		t.Parent, _ = r.header("traceparent")
		t.State, _ = r.header("tracestate")
	}
	if !validTraceParent(t.Parent) {
		return Trace{}
	}
	if !validTraceState(t.State) {
		t.State = ""
	}
	return t
}

// validTraceParent accepts <version>-<trace id>-<parent id>-<flags>, of version
// 00 exactly and of a later version with more after it, as the recommendation
// demands.
func validTraceParent(s string) bool {
	const length = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if len(s) < length || len(s) > 128 {
		return false
	}
	version, id, parent, flags := s[:2], s[3:35], s[36:52], s[53:55]
	for _, part := range []string{version, id, parent, flags} {
		if strings.Trim(part, "0123456789abcdef") != "" {
			return false
		}
	}
	if s[2] != '-' || s[35] != '-' || s[52] != '-' || version == "ff" ||
		strings.Trim(id, "0") == "" || strings.Trim(parent, "0") == "" {
		return false
	}
	if version == "00" {
		return len(s) == length
	}
	return len(s) == length || s[length] == '-' && printable(s[length:])
}

// validTraceState accepts at most 32 key=value members and 512 bytes.
func validTraceState(s string) bool {
	if s == "" || len(s) > 512 {
		return false
	}
	members := strings.Split(s, ",")
	if len(members) > 32 {
		return false
	}
	for _, member := range members {
		member = strings.Trim(member, " \t")
		key, value, ok := strings.Cut(member, "=")
		if member != "" && (!ok || key == "" || value == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_-*/@") != "" ||
			!printable(value) || strings.Contains(value, "=")) {
			return false
		}
	}
	return true
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
