package messages

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxPreviews is how many commands one question for previews may hold.
const MaxPreviews = 2000

// PreviewRequest asks what would come of commands if they were decided now, one
// after another. Nothing is published and nothing is written.
type PreviewRequest struct {
	// Commands are command bodies, as [EncodeCommand] makes them.
	Commands [][]byte
	// Connections and Bridges say what is to be assumed beside what there is:
	// what commands before these would have changed.
	Connections []AssumedConnection
	Bridges     []AssumedBridge
}

// AssumedConnection is where a number is to be taken to be.
type AssumedConnection struct {
	PhoneNumber      string `json:"phone_number"`
	BridgeSlug       string `json:"bridge_slug"`
	ProviderConfigID int64  `json:"provider_config_id"`
	Provider         string `json:"provider"`
}

// AssumedBridge is how many numbers more a bridge is to be taken to have through
// a provider than it has; less than none where some have moved away.
type AssumedBridge struct {
	BridgeSlug string `json:"bridge_slug"`
	Provider   string `json:"provider"`
	Numbers    int    `json:"numbers"`
}

// String says how much is asked and nothing of the numbers.
func (q PreviewRequest) String() string {
	return fmt.Sprintf("%d commands, %d connections and %d bridges assumed", len(q.Commands), len(q.Connections), len(q.Bridges))
}

// Format writes what [PreviewRequest.String] returns, whatever the verb.
func (q PreviewRequest) Format(f fmt.State, verb rune) { formatMasked(f, verb, q.String()) }

// String returns the connection for people, with the phone number masked.
func (c AssumedConnection) String() string {
	return fmt.Sprintf("%s on bridge %q", MaskPhoneNumber(c.PhoneNumber), c.BridgeSlug)
}

// Format writes what [AssumedConnection.String] returns, whatever the verb.
func (c AssumedConnection) Format(f fmt.State, verb rune) { formatMasked(f, verb, c.String()) }

// EncodePreviewRequest returns the body of a question for previews, to be sent to
// a [PreviewsSubject]. [AskPreviews] does all of it.
func EncodePreviewRequest(q PreviewRequest) ([]byte, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, 128+128*len(q.Commands)), `{"commands":[`...)
	for i, command := range q.Commands {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, command...)
	}
	b = append(b, ']')
	if len(q.Connections) > 0 {
		b = append(b, `,"connections":[`...)
		for i, c := range q.Connections {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(append(b, `{"phone_number":`...), c.PhoneNumber)
			b = appendString(append(b, `,"bridge_slug":`...), c.BridgeSlug)
			b = strconv.AppendInt(append(b, `,"provider_config_id":`...), c.ProviderConfigID, 10)
			b = append(appendString(append(b, `,"provider":`...), c.Provider), '}')
		}
		b = append(b, ']')
	}
	if len(q.Bridges) > 0 {
		b = append(b, `,"bridges":[`...)
		for i, bridge := range q.Bridges {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(append(b, `{"bridge_slug":`...), bridge.BridgeSlug)
			b = appendString(append(b, `,"provider":`...), bridge.Provider)
			b = append(strconv.AppendInt(append(b, `,"numbers":`...), int64(bridge.Numbers), 10), '}')
		}
		b = append(b, ']')
	}
	return append(b, '}'), nil
}

// mostAssumedNumbers bounds what a bridge is taken to have or to lack.
const mostAssumedNumbers = 1_000_000_000

func (q *PreviewRequest) check() error {
	switch {
	case len(q.Commands) > MaxPreviews:
		return fmt.Errorf("%d commands in one question; ask for at most %d at once", len(q.Commands), MaxPreviews)
	case len(q.Connections) > MaxPreviews:
		return fmt.Errorf("%d connections in one question; at most %d are allowed", len(q.Connections), MaxPreviews)
	case len(q.Bridges) > 2*MaxPreviews:
		return fmt.Errorf("%d bridges in one question; at most %d are allowed", len(q.Bridges), 2*MaxPreviews)
	}
	for i, bridge := range q.Bridges {
		if bridge.Numbers > mostAssumedNumbers || bridge.Numbers < -mostAssumedNumbers {
			return fmt.Errorf("bridges[%d]: %d numbers are more than any bridge has", i, bridge.Numbers)
		}
	}
	return nil
}

// DecodePreviewRequest reads a question for previews. The commands are not read:
// what is wrong with one is its own outcome. Unknown and repeated members are
// refused.
func DecodePreviewRequest(body []byte) (PreviewRequest, error) {
	var w struct {
		Commands    []jsontext.Value    `json:"commands"`
		Connections []AssumedConnection `json:"connections"`
		Bridges     []AssumedBridge     `json:"bridges"`
	}
	if err := json.Unmarshal(body, &w, json.RejectUnknownMembers(true)); err != nil {
		// the error's own text may quote what was sent
		return PreviewRequest{}, errors.New("the question is not a JSON object with commands, and perhaps connections and bridges, as its schema says")
	}
	if w.Commands == nil {
		return PreviewRequest{}, errors.New(`"commands" is missing; give an array of commands`)
	}
	q := PreviewRequest{Commands: make([][]byte, len(w.Commands)), Connections: w.Connections, Bridges: w.Bridges}
	for i, command := range w.Commands {
		q.Commands[i] = command
	}
	return q, q.check()
}
