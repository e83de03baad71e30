package worker

import (
	"sort"
	"time"
)

type bridgeKey struct{ organization, slug string }

type configurationKey struct {
	organization string
	id           int64
}

type inboxKey struct{ organization, key string }

type organization struct{ oneProviderPerBridge bool }

type configuration struct {
	provider string
	active   bool
}

type phoneNumber struct {
	organization  string
	configuration int64
	active        bool
}

// bridge is a bridge with the number of its connections by provider. A count
// is exact up to the size of the batch plus one, which is all that one batch
// can tell apart; see load.go.
type bridge struct{ numbers map[string]int }

// otherProvider tells whether numbers other than the one with the connection
// current (nil if it has none) run through another provider than the given
// one, and names one of those.
func (b *bridge) otherProvider(provider string, current *connection) (string, bool) {
	var others []string
	for other, numbers := range b.numbers {
		if current != nil && current.provider == other {
			numbers--
		}
		if other != provider && numbers > 0 {
			others = append(others, other)
		}
	}
	if len(others) == 0 {
		return "", false
	}
	sort.Strings(others)
	return others[0], true
}

// connection is a number's place, with what the batch has done to it.
type connection struct {
	organization  string
	bridge        string
	configuration int64
	provider      string
	version       int64
	connectedAt   time.Time

	loaded  int64 // version in the database, 0 for a created one
	created bool
	dirty   bool
}

// state is all that a batch can touch, as the database has it, and then as the
// batch changes it. Whatever is absent does not exist.
type state struct {
	organizations  map[string]organization
	bridges        map[bridgeKey]*bridge
	configurations map[configurationKey]configuration
	numbers        map[string]phoneNumber
	connections    map[string]*connection
	inbox          map[inboxKey][16]byte // digest of what was decided
	pauses         map[string]Pause      // by organization token, '' for the whole class
	lockWait       time.Duration         // until the partition's lock was there
}

func newState(size int) *state {
	return &state{
		organizations:  make(map[string]organization),
		bridges:        make(map[bridgeKey]*bridge, size),
		configurations: make(map[configurationKey]configuration),
		numbers:        make(map[string]phoneNumber, size),
		connections:    make(map[string]*connection, size),
		inbox:          make(map[inboxKey][16]byte, size),
		pauses:         make(map[string]Pause),
	}
}

// decided tells whether a message at a position was decided by its position.
func (s *state) decided(token, positionKey string) bool {
	_, ok := s.inbox[inboxKey{token, positionKey}]
	return ok
}

func (s *state) earlier(token, key string) (digest [16]byte, ok bool) {
	digest, ok = s.inbox[inboxKey{token, key}]
	return digest, ok
}

func (s *state) remember(token, key string, digest [16]byte) {
	s.inbox[inboxKey{token, key}] = digest
}
