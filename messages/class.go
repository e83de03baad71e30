package messages

import "fmt"

// Class is the traffic class of a command. The two classes have a stream
// each, so that bulk traffic can neither fill nor delay the other; order
// holds within a class.
type Class byte

const (
	// Interactive commands have someone waiting for their outcome.
	Interactive Class = 'c'
	// Bulk commands arrive by the thousand, from files.
	Bulk Class = 'b'
)

// Classes returns both classes, interactive first.
func Classes() []Class { return []Class{Interactive, Bulk} }

// Valid reports whether c is one of [Classes].
func (c Class) Valid() bool { return c == Interactive || c == Bulk }

// String returns "interactive" or "bulk".
func (c Class) String() string {
	switch c {
	case Interactive:
		return "interactive"
	case Bulk:
		return "bulk"
	}
	return fmt.Sprintf("class(%#02x)", byte(c))
}

// Letter returns the letter with which the names of the class's lanes begin.
func (c Class) Letter() string { return string(rune(c)) }

// Stream returns the name of the class's command stream.
func (c Class) Stream() string {
	if c == Bulk {
		return "TELEPHONY_BULK"
	}
	return "TELEPHONY_COMMANDS"
}

// prefix is what the class's command subjects begin with.
func (c Class) prefix() string {
	if c == Bulk {
		return "telephony.bulk."
	}
	return "telephony.commands."
}
