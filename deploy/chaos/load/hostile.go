package load

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/nats-io/nats.go"

	"connect-provider/messages"
)

// Credential is a producer's, which nothing may keep.
const Credential = "s3cr3t"

// hostile makes a message of a producer who means no good, or has a defect.
// Each can be told from all others by its bytes, save for a few that are
// malformed whatever comes before them.
func (s *Source) hostile() Command {
	r := s.random
	handle := s.platform.Handles[r.IntN(len(s.platform.Handles))]
	s.drawn[handle]++
	h := hostileMessage{
		Command: Command{Class: s.class(), Header: nats.Header{}, Intent: Intent{Malformed: true}},
		token:   Token(handle), verb: messages.VerbConnectProvider, random: r, n: s.drawn[handle], nonce: fmt.Sprintf("%x", r.Uint64()),
	}
	h.whole = fmt.Sprintf(`{"command_id":"order-%d","bridge_slug":"bridge-0","provider_config_id":1,"phone_number":"+1777%07d","metadata":{"nonce":%q}}`, h.n, h.n, h.nonce)
	hostilities[r.IntN(len(hostilities))](&h)
	if r.IntN(3) == 0 {
		// passed on from an HTTP request
		h.Header.Set("Authorization", "Token "+Credential)
	}
	h.Subject = subject(h.Class, h.token, h.verb)
	s.remember(h.Command)
	return h.Command
}

type hostileMessage struct {
	Command
	token, verb string
	whole       string // a body that could be understood
	nonce       string // in it, to tell it from others
	random      *rand.Rand
	n           int
}

// meant says what a message that can be understood means.
func (h *hostileMessage) meant(id, phone string) {
	h.Intent = Intent{ID: id, Token: h.token, Content: Content{Bridge: "bridge-0", Configuration: firstTwilio, Phone: phone}, Metadata: map[string]string{"nonce": h.nonce}}
}

var hostilities = []func(h *hostileMessage){
	func(h *hostileMessage) { // bytes
		h.Body = make([]byte, h.random.IntN(600))
		for i := range h.Body {
			h.Body[i] = byte(h.random.Uint32()) | 0x80
		}
	},
	func(h *hostileMessage) { h.Body = []byte(h.whole[:h.random.IntN(len(h.whole))]) }, // cut off
	func(h *hostileMessage) { // a member twice
		h.Body = []byte(strings.Replace(h.whole, "{", `{"phone_number":"+15550000000",`, 1))
	},
	func(h *hostileMessage) { // one too many
		h.Body = []byte(strings.Replace(h.whole, "{", `{"priority":1,`, 1))
	},
	func(h *hostileMessage) { // of another type
		h.Body = []byte(strings.Replace(h.whole, `"provider_config_id":1`, `"provider_config_id":"1"`, 1))
	},
	func(h *hostileMessage) { // what Postgres can't hold
		h.Body = []byte(strings.Replace(h.whole, "bridge-0", `bridge\u0000`, 1))
	},
	func(h *hostileMessage) { // no UTF-8
		h.Body = []byte(strings.Replace(h.whole, "bridge-0", "bridge-\xff\xfe", 1))
	},
	func(h *hostileMessage) { // too large to be read
		h.Body = []byte(strings.Replace(h.whole, `"nonce":"`, `"nonce":"`+strings.Repeat("x", messages.MaxBody), 1))
	},
	func(h *hostileMessage) { // too large to be stored
		h.Body, h.Refused = []byte(h.whole+strings.Repeat(" ", 2*messages.MaxMessage)), true
	},
	func(h *hostileMessage) { // a verb of the future; the bytes are told from those of the known one
		h.verb, h.Body = "disconnect-provider", []byte(h.whole+" ")
	},
	func(h *hostileMessage) { // empty, in the guise of the server's notices
		h.Header.Set("Status", []string{"100", "404", "408", "409", "503"}[h.random.IntN(5)])
	},
	func(h *hostileMessage) { // nobody's handle
		h.token = fmt.Sprintf("stranger-%d", h.random.IntN(5))
		h.Body = []byte(h.whole)
		h.meant(fmt.Sprintf("order-%d", h.n), fmt.Sprintf("+1777%07d", h.n))
	},
	func(h *hostileMessage) { // a token that no handle has: %6f is o
		h.token = "%6f" + strings.TrimPrefix(h.token, "o")
		h.Body = []byte(h.whole)
		h.meant(fmt.Sprintf("order-%d", h.n), fmt.Sprintf("+1777%07d", h.n))
	},
	func(h *hostileMessage) { // a header that is none, with nobody to answer to
		h.Body, h.Unheard = []byte(h.whole), true
		h.Header["Nats-Expected-Last-Msg-Id"] = []string{"nobody's"}
		h.Refused = true
	},
	func(h *hostileMessage) { // the opening of a batch that nobody commits
		h.Class, h.Body, h.Unheard, h.Refused = messages.Bulk, []byte(h.whole), true, true
		h.Header["Nats-Batch-Id"] = []string{fmt.Sprintf("abandoned-%x", h.random.Uint64())}
		h.Header["Nats-Batch-Sequence"] = []string{"1"}
	},
	func(h *hostileMessage) { // a number that nobody has, in letters
		h.Body = []byte(strings.Replace(h.whole, "+1777", "CALL", 1))
		h.meant(fmt.Sprintf("order-%d", h.n), fmt.Sprintf("CALL%07d", h.n))
	},
}
