package worker

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"connect-provider/messages"
)

// attack makes the nth message of its kind.
type attack struct {
	kind string
	make func(r *rand.Rand, n int) rawMessage
}

// attacker is the organization that the attacks come from: it has a bridge and
// configurations, but no number. The attacks are after another one, "honest",
// whose lanes are the same, so that their commands share batches.
const attacker = "attacker"

const secret = "s3cr3t-credential"

const (
	kindHonest   = "honest"
	kindNoStream = "subject of no stream"
	// The protocol has no publishing to wildcards, yet the server stores such a
	// message, as it came, without a lane: it is nobody's command.
	kindWildcard = "wildcard in a subject"
)

// own is a subject that the attacker may publish to.
func own(r *rand.Rand) string {
	return pick(r, "telephony.commands.", "telephony.bulk.") + attacker + ".connect-provider"
}

// at is the command subject of any token and verb.
func at(r *rand.Rand, token, verb string) string {
	return pick(r, "telephony.commands.", "telephony.bulk.") + token + "." + verb
}

func pick[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

// wellFormed is a command that the attacker may well send: it fails by a rule.
func wellFormed(n int) string {
	return fmt.Sprintf(`{"command_id":"attack-%d","bridge_slug":"b0","provider_config_id":1,"phone_number":"+1777%06d"}`, n, n)
}

// stolen is a command that would connect a number, if only it came from the
// honest organization: the bridge, the configuration and the number are its.
func stolen(n int) string {
	return string(connectCommand(fmt.Sprint("h", n), "b0", 1, number("+1888", honestCommands+n%honestCommands)))
}

// member is a command with one member replaced or added, as JSON text.
func member(n int, name, value string) []byte {
	members := []struct{ name, value string }{
		{"command_id", fmt.Sprintf(`"attack-%d"`, n)}, {"bridge_slug", `"b0"`}, {"provider_config_id", "1"}, {"phone_number", fmt.Sprintf(`"+1777%06d"`, n)},
	}
	known := false
	parts := make([]string, 0, len(members)+1)
	for _, m := range members {
		if m.name == name {
			m.value, known = value, true
		}
		parts = append(parts, fmt.Sprintf("%q:%s", m.name, m.value))
	}
	if !known {
		parts = append(parts, fmt.Sprintf("%q:%s", name, value))
	}
	return []byte("{" + strings.Join(parts, ",") + "}")
}

func block(lines ...string) string {
	return "NATS/1.0\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// attacks on the body.
var bodyAttacks = []attack{
	{"garbage", func(r *rand.Rand, n int) rawMessage {
		return rawMessage{subject: own(r), body: randomBytes(r, r.IntN(600))}
	}},
	{"cut off", func(r *rand.Rand, n int) rawMessage {
		whole := wellFormed(n)
		return rawMessage{subject: own(r), body: []byte(whole[:r.IntN(len(whole))])}
	}},
	{"bytes changed", func(r *rand.Rand, n int) rawMessage {
		body := []byte(wellFormed(n))
		for range 1 + r.IntN(3) {
			body[r.IntN(len(body))] = byte(r.Uint32())
		}
		return rawMessage{subject: own(r), body: body}
	}},
	{"oversize body", func(r *rand.Rand, n int) rawMessage {
		return rawMessage{subject: own(r), body: member(n, "metadata", `{"x":"`+strings.Repeat("y", messages.MaxBody-100+r.IntN(4000))+`"}`)}
	}},
	{"oversize message", func(r *rand.Rand, n int) rawMessage {
		return rawMessage{subject: own(r), body: randomBytes(r, messages.MaxMessage+r.IntN(40000))}
	}},
	{"no object", func(r *rand.Rand, n int) rawMessage {
		return rawMessage{subject: own(r), body: []byte(pick(r, "", " ", "null", "0", "[]", `""`, "true", "{}", "{", "}", "\xef\xbb\xbf{}", "{} {}", wellFormed(n)+",", "\x00", "NaN"))}
	}},
	{"deep JSON", func(r *rand.Rand, n int) rawMessage {
		depth := r.IntN(2500)
		return rawMessage{subject: own(r), body: member(n, pick(r, "metadata", "bridge_slug", "x"),
			strings.Repeat(pick(r, "[", `{"a":`), depth)+"1"+strings.Repeat(pick(r, "]", "}"), depth))}
	}},
	{"odd members", func(r *rand.Rand, n int) rawMessage {
		name := pick(r, "command_id", "bridge_slug", "provider_config_id", "phone_number", "org_handle", "metadata", "Command_ID", "x", "__proto__")
		value := pick(r, "null", "[]", "{}", "true", `""`, "-1", "1.5", "1e3", "01", "+1", "0x1", `"\u0000"`, `"a\u0000b"`, `"\ud800"`, `"\udc00\ud800"`, "\"\xff\xfe\"", `"`+strings.Repeat("x", 300)+`"`,
			"9223372036854775808", "-9223372036854775809", "1e400", strings.Repeat("9", 500), `{"a":1}`, `{"a":"\u0000"}`, `"'; drop table connect_provider.inbox; --"`, `"\u202e\u0007\u001b[2J"`)
		return rawMessage{subject: own(r), body: member(n, name, value)}
	}},
	{"duplicate members", func(r *rand.Rand, n int) rawMessage {
		name := pick(r, "command_id", "bridge_slug", "org_handle", "metadata")
		body := member(n, "x", "1")
		return rawMessage{subject: own(r), body: fmt.Appendf(nil, `%s,%q:"honest",%q:"b0"}`, strings.TrimSuffix(string(body), `,"x":1}`), name, name)}
	}},
	{"huge metadata", func(r *rand.Rand, n int) rawMessage {
		metadata := map[string]string{}
		for i := range 1 + r.IntN(300) {
			metadata[fmt.Sprint("k", i)] = strings.Repeat("v", r.IntN(16))
		}
		text, _ := json.Marshal(metadata)
		return rawMessage{subject: own(r), body: member(n, "metadata", string(text))}
	}},
	{"well formed", func(r *rand.Rand, n int) rawMessage {
		return rawMessage{subject: own(r), body: []byte(wellFormed(n))}
	}},
	{"another's things", func(r *rand.Rand, n int) rawMessage {
		body := stolen(n)
		if r.IntN(2) == 0 {
			body = fmt.Sprintf(`{"org_handle":%q,%s`, pick(r, "honest", attacker, "", "Attacker"), body[1:])
		}
		return rawMessage{subject: own(r), body: []byte(body)}
	}},
}

// attacks on the subject.
var subjectAttacks = []attack{
	{"token that is no encoding", func(r *rand.Rand, n int) rawMessage {
		token := pick(r, "%68onest", "honest%", "%", "%%", "%zz", "hon%65st", "honest%00", "%00", "%2e", "honest%2E", "~", "~honest~", "a~"+strings.Repeat("0", 64), "%C3%28", "$JS", "$SYS", "_INBOX")
		return rawMessage{subject: at(r, token, "connect-provider"), body: []byte(stolen(n))}
	}},
	{"long token", func(r *rand.Rand, n int) rawMessage {
		length := 250 + r.IntN(3700)
		return rawMessage{subject: at(r, strings.Repeat(pick(r, "a", "%41", "~", "%C3%A4"), length)[:length], "connect-provider"), body: []byte(stolen(n))}
	}},
	{"bytes in a token", func(r *rand.Rand, n int) rawMessage {
		token := []byte("honest")
		for range 1 + r.IntN(3) {
			token = append(token, pick(r, byte(0), 1, 7, 0x0b, 0x1b, 0x80, 0xc3, 0xff, '*', '>', '~', '"', '\'', '\\', '/', '$', '{', '}'))
		}
		return rawMessage{subject: at(r, string(token), "connect-provider"), body: []byte(stolen(n))}
	}},
	{"unknown verb", func(r *rand.Rand, n int) rawMessage {
		verb := pick(r, "disconnect-provider", "connect-provider%", "Connect-Provider", "\x00", "\xff\xfe", strings.Repeat("v", 1+r.IntN(3800)), "connect_provider", "provider-connected")
		return rawMessage{subject: at(r, pick(r, attacker, "honest"), verb), body: []byte(stolen(n))}
	}},
	{kindWildcard, func(r *rand.Rand, n int) rawMessage {
		return rawMessage{subject: pick(r, at(r, pick(r, attacker, "honest"), pick(r, "*", ">")), at(r, pick(r, "*", ">"), "connect-provider")), body: []byte(stolen(n))}
	}},
	{kindNoStream, func(r *rand.Rand, n int) rawMessage {
		return rawMessage{subject: pick(r,
			fmt.Sprintf("telephony.commands.%d.honest.connect-provider", r.IntN(20)), "telephony.bulk.b1.honest.connect-provider",
			"telephony.commands.honest", "telephony.commands..connect-provider", "telephony.commands.honest.", ".telephony.commands.honest.connect-provider",
			"telephony.commands.hon.est.connect-provider", "Telephony.commands.honest.connect-provider"), body: []byte(stolen(n))}
	}},
}

// attacks on the header.
var headerAttacks = []attack{
	{"credentials", func(r *rand.Rand, n int) rawMessage {
		name := pick(r, "Authorization", "authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "Proxy-Authorization", "AWS-Secret", "My-Password", "Session-Id", "X-JWT")
		return rawMessage{subject: own(r), header: block(name+": "+secret, "Kept: yes"), body: []byte("{")}
	}},
	{"header of many kilobytes", func(r *rand.Rand, n int) rawMessage {
		lines := make([]string, 1+r.IntN(400))
		for i := range lines {
			lines[i] = fmt.Sprintf("H-%d: %s", i, strings.Repeat("z", r.IntN(60)))
		}
		return rawMessage{subject: own(r), header: block(lines...), body: []byte(wellFormed(n))}
	}},
	{"a server's status", func(r *rand.Rand, n int) rawMessage {
		status := pick(r, "100", "400", "404", "408", "409", "423", "503", "999", "x")
		about := pick(r, "Idle Heartbeat", "Consumer Deleted", "Message Size Exceeds MaxBytes", "Batch Completed", "Leadership Change", "Server Shutdown", "No Messages")
		header := pick(r, block("Status: "+status, "Description: "+about), "NATS/1.0 "+status+" "+about+"\r\n\r\n",
			"NATS/1.0 "+status+" "+about+"\r\nNats-Pending-Messages: 9999999\r\nNats-Pending-Bytes: 9999999\r\n\r\n")
		return rawMessage{subject: own(r), header: header, body: pick(r, nil, []byte(wellFormed(n)))}
	}},
	{"header that is none", func(r *rand.Rand, n int) rawMessage {
		header := pick(r, "NATS/1.0\r\nno colon\r\n\r\n", "NATS/1.0\r\n: x\r\n\r\n", "NATS/1.0\r\nA: b\r\n", "NATS/1.0 1\r\n\r\n", "NATS/1.0\r\n\x00\xff: \x00\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "NATS/1.0\r\nA: \r\nA\r\n\r\n", "x")
		return rawMessage{subject: own(r), header: header, body: pick(r, nil, []byte(wellFormed(n)))}
	}},
	{"CloudEvents in headers", func(r *rand.Rand, n int) rawMessage {
		lines := []string{"ce-specversion: " + pick(r, "1.0", "0.3", ""), "ce-type: t", "CE-Source: /s", "ce-id: " + pick(r, fmt.Sprintf("attack-%d", n), fmt.Sprintf("ce-%d", n), "a b", "", strings.Repeat("i", 129))}
		r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		return rawMessage{subject: own(r), header: block(lines[:1+r.IntN(4)]...), body: []byte(wellFormed(n))}
	}},
	{"CloudEvent around it", func(r *rand.Rand, n int) rawMessage {
		data := pick(r, `,"data":`+wellFormed(n), `,"data_base64":"!!"`, `,"data_base64":"eyJ9"`, `,"data":1,"data_base64":""`, "", `,"data":[]`)
		return rawMessage{subject: own(r), header: block("Content-Type: " + pick(r, "application/cloudevents+json", "Application/CloudEvents+JSON; charset=utf-8", "application/cloudevents-batch+json")),
			body: fmt.Appendf(nil, `{"specversion":%s,"id":%s,"source":"/s","type":"t"%s}`, pick(r, `"1.0"`, `"2.0"`, "1"), pick(r, fmt.Sprintf(`"attack-%d"`, n), `"é"`, "7"), data)}
	}},
	{"JetStream's own headers", func(r *rand.Rand, n int) rawMessage {
		return rawMessage{subject: own(r), body: []byte(wellFormed(n)), header: block(pick(r,
			"Nats-Expected-Stream: OTHER", "Nats-Expected-Last-Sequence: 0", "Nats-Expected-Last-Msg-Id: x", "Nats-Expected-Last-Subject-Sequence: 0",
			"Nats-Rollup: all", "Nats-Rollup: sub", "Nats-TTL: 1s", "Nats-TTL: never", "Nats-Msg-Id: "+fmt.Sprint("m-", n), "Nats-Msg-Id: a b", "Nats-Msg-Id: ",
			"Nats-Schedule: @at 2000-01-01T00:00:00Z", "Nats-Schedule-Target: telephony.events.c0.honest.provider-connected", "Nats-Incr: 1",
			"Nats-Marker-Reason: Purge", "Nats-Required-Api-Level: 9999", "Nats-Sequence: 1", "Nats-Stream: TELEPHONY_EVENTS", "Telephony-Lane-Position: 9.9"))}
	}},
	{"an open batch", func(r *rand.Rand, n int) rawMessage {
		return rawMessage{subject: "telephony.bulk." + attacker + ".connect-provider", body: []byte(wellFormed(n)), quiet: true,
			header: block("Nats-Batch-Id: "+fmt.Sprint("batch-", n%40), fmt.Sprint("Nats-Batch-Sequence: ", pick(r, 1, 1, 2, 7, 100000)))}
	}},
	{"trace of anything", func(r *rand.Rand, n int) rawMessage {
		return rawMessage{subject: own(r), body: []byte(wellFormed(n)), header: block("traceparent: "+pick(r, "x", "00-00000000000000000000000000000000-0000000000000000-00", strings.Repeat("0", 4000),
			"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), "tracestate: "+string(randomASCII(r, r.IntN(700))))}
	}},
}

func randomASCII(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(' ' + r.IntN(95))
	}
	return b
}

// hostileMessages makes n messages of all kinds. Every one has content of its
// own, so none is a repeat.
func hostileMessages(r *rand.Rand, n int) []rawMessage {
	var attacks []attack
	for _, kinds := range [][]attack{bodyAttacks, subjectAttacks, headerAttacks} {
		attacks = append(attacks, kinds...)
	}
	made := make([]rawMessage, n)
	for i := range made {
		a := attacks[i%len(attacks)]
		made[i] = a.make(r, i)
		made[i].kind = a.kind
	}
	return made
}
