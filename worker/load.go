package worker

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"connect-provider/messages"
)

//go:embed sql/prepare.sql
var prepareSQL string

//go:embed sql/lock.sql
var lockSQL string

//go:embed sql/load_organizations.sql
var loadOrganizationsSQL string

//go:embed sql/load_bridges.sql
var loadBridgesSQL string

//go:embed sql/load_bridge_providers.sql
var loadBridgeProvidersSQL string

//go:embed sql/load_configurations.sql
var loadConfigurationsSQL string

//go:embed sql/load_numbers.sql
var loadNumbersSQL string

//go:embed sql/load_connections.sql
var loadConnectionsSQL string

//go:embed sql/load_inbox.sql
var loadInboxSQL string

// errLoading says that a batch failed while its state was read, before anything
// of it was written.
var errLoading = errors.New("lock and load")

// wanted lists, each once and sorted, what a batch can touch.
type wanted struct {
	organizations  []string
	bridges        []bridgeKey
	configurations []configurationKey
	numbers        []string
	inbox          []inboxKey
	tokens         []string
}

func wantedBy(batch []*messages.Received, poisoned map[uint64]string) wanted {
	var w wanted
	for _, received := range batch {
		w.inbox = append(w.inbox, inboxKey{received.Organization.Token, received.Key()})
		w.tokens = append(w.tokens, received.Organization.Token)
		// of a poisoned command nothing is read: reading it may be what fails
		_, broken := poisoned[received.Sequence]
		if broken || received.Malformed != nil || !received.Organization.Canonical() {
			continue
		}
		handle, command := received.Organization.Handle, &received.Command
		w.organizations = append(w.organizations, handle)
		w.bridges = append(w.bridges, bridgeKey{handle, command.BridgeSlug})
		w.configurations = append(w.configurations, configurationKey{handle, command.ProviderConfigID})
		if phone, err := messages.ParsePhoneNumber(command.PhoneNumber); err == nil {
			w.numbers = append(w.numbers, phone.E164())
		}
	}
	w.organizations = sortedSet(w.organizations, strings.Compare)
	w.numbers = sortedSet(w.numbers, strings.Compare)
	w.tokens = sortedSet(w.tokens, strings.Compare)
	w.bridges = sortedSet(w.bridges, compareBridgeKeys)
	w.configurations = sortedSet(w.configurations, func(a, b configurationKey) int {
		return cmp.Or(cmp.Compare(a.organization, b.organization), cmp.Compare(a.id, b.id))
	})
	w.inbox = sortedSet(w.inbox, compareInboxKeys)
	return w
}

// lockAndLoad begins a transaction, takes the partition's lock and reads the
// batch's state, in one round trip; a second one where a bridge's providers or
// a reused id need a closer look. On an error the transaction is still open, and
// the state is what had been read by then: the pauses come first.
func lockAndLoad(ctx context.Context, conn *pgx.Conn, lane messages.Lane, idleTimeout time.Duration, batch []*messages.Received, poisoned map[uint64]string) (*state, error) {
	w := wantedBy(batch, poisoned)
	s := newState(len(batch))
	var q pgx.Batch
	q.Queue("begin isolation level read committed read write")
	q.Queue(prepareSQL, fmt.Sprint(idleTimeout.Milliseconds()))
	q.Queue(lockSQL, lane.Number).QueryRow(s.scanLockWait)
	s.queuePauses(&q, lane.Class, w.tokens)
	bounds := s.queueWanted(&q, w)
	if err := conn.SendBatch(ctx, &q).Close(); err != nil {
		return s, fmt.Errorf("%w: %w", errLoading, err)
	}
	return s, s.lookCloser(ctx, conn, batch, bounds, len(batch)+1)
}

func (s *state) scanLockWait(row pgx.Row) error {
	var seconds float64
	err := row.Scan(&seconds)
	s.lockWait = time.Duration(seconds * float64(time.Second))
	return err
}

// queueWanted reads what a batch can touch. What it returns is queueBridges'.
func (s *state) queueWanted(q *pgx.Batch, w wanted) (bounds map[bridgeKey][2]string) {
	s.queueInbox(q, w.inbox)
	if len(w.organizations) > 0 {
		q.Queue(loadOrganizationsSQL, w.organizations).Query(s.scanOrganizations)
		bounds = s.queueBridges(q, w.bridges)
		s.queueConfigurations(q, w.configurations)
		q.Queue(loadNumbersSQL, w.numbers).Query(s.scanNumbers)
		q.Queue(loadConnectionsSQL, w.numbers).Query(s.scanConnections)
	}
	return bounds
}

// lookCloser reads what is needed of a few messages only: all providers of the
// bridges where rule 9 might refuse, with their numbers counted up to atMost,
// and whether messages whose id was used before were themselves decided by their
// position.
func (s *state) lookCloser(ctx context.Context, conn *pgx.Conn, batch []*messages.Received, bounds map[bridgeKey][2]string, atMost int) error {
	var mixed []bridgeKey
	var positions []inboxKey
	seen := make(map[inboxKey][16]byte, len(batch))
	for _, received := range batch {
		token := received.Organization.Token
		if received.Malformed == nil {
			key := inboxKey{token, received.Key()}
			digest := received.Digest()
			earlier, used := s.inbox[key]
			if !used {
				earlier, used = seen[key]
			}
			if used && earlier != digest {
				positions = append(positions, inboxKey{token, received.PositionKey()})
			}
			if _, again := seen[key]; !again {
				seen[key] = digest // as in deciding, the first one counts
			}
		}
		handle, command := received.Organization.Handle, &received.Command
		bound, ok := bounds[bridgeKey{handle, command.BridgeSlug}]
		provider := s.configurations[configurationKey{handle, command.ProviderConfigID}].provider
		if ok && provider != "" && (bound[0] != provider || bound[1] != provider) {
			mixed = append(mixed, bridgeKey{handle, command.BridgeSlug})
		}
	}
	if len(mixed) == 0 && len(positions) == 0 {
		return nil
	}
	var q pgx.Batch
	if len(mixed) > 0 {
		s.queueBridgeProviders(&q, mixed, atMost)
	}
	if len(positions) > 0 {
		s.queueInbox(&q, sortedSet(positions, compareInboxKeys))
	}
	if err := conn.SendBatch(ctx, &q).Close(); err != nil {
		return fmt.Errorf("%w: %w", errLoading, err)
	}
	return nil
}

func (s *state) scanOrganizations(rows pgx.Rows) error {
	var handle string
	var one bool
	_, err := pgx.ForEachRow(rows, []any{&handle, &one}, func() error {
		s.organizations[handle] = organization{oneProviderPerBridge: one}
		return nil
	})
	return err
}

// queueBridges reads the bridges. The map it returns is filled with them: the
// first and the last provider of each that has connections. Until a closer
// look, a bridge counts one connection for each of the two.
func (s *state) queueBridges(q *pgx.Batch, keys []bridgeKey) map[bridgeKey][2]string {
	bounds := make(map[bridgeKey][2]string)
	handles, slugs := splitBridges(keys)
	q.Queue(loadBridgesSQL, handles, slugs).Query(func(rows pgx.Rows) error {
		var place int
		var first, last *string
		_, err := pgx.ForEachRow(rows, []any{&place, &first, &last}, func() error {
			key := keys[place-1]
			loaded := &bridge{numbers: map[string]int{}}
			if first != nil {
				bound := [2]string{*first, *first}
				if last != nil {
					bound[1] = *last
				}
				loaded.numbers[bound[0]], loaded.numbers[bound[1]] = 1, 1
				bounds[key] = bound
			}
			s.bridges[key] = loaded
			return nil
		})
		return err
	})
	return bounds
}

func (s *state) queueBridgeProviders(q *pgx.Batch, keys []bridgeKey, atMost int) {
	keys = sortedSet(keys, compareBridgeKeys)
	handles, slugs := splitBridges(keys)
	q.Queue(loadBridgeProvidersSQL, handles, slugs, atMost).Query(func(rows pgx.Rows) error {
		for _, key := range keys {
			s.bridges[key].numbers = map[string]int{}
		}
		var place, numbers int
		var provider string
		_, err := pgx.ForEachRow(rows, []any{&place, &provider, &numbers}, func() error {
			s.bridges[keys[place-1]].numbers[provider] = numbers
			return nil
		})
		return err
	})
}

func splitBridges(keys []bridgeKey) (handles, slugs []string) {
	handles, slugs = make([]string, len(keys)), make([]string, len(keys))
	for i, key := range keys {
		handles[i], slugs[i] = key.organization, key.slug
	}
	return handles, slugs
}

func (s *state) queueConfigurations(q *pgx.Batch, keys []configurationKey) {
	handles, ids := make([]string, len(keys)), make([]int64, len(keys))
	for i, key := range keys {
		handles[i], ids[i] = key.organization, key.id
	}
	q.Queue(loadConfigurationsSQL, handles, ids).Query(func(rows pgx.Rows) error {
		var place int
		var loaded configuration
		_, err := pgx.ForEachRow(rows, []any{&place, &loaded.provider, &loaded.active}, func() error {
			s.configurations[keys[place-1]] = loaded
			return nil
		})
		return err
	})
}

func (s *state) scanNumbers(rows pgx.Rows) error {
	var number string
	var loaded phoneNumber
	_, err := pgx.ForEachRow(rows, []any{&number, &loaded.organization, &loaded.configuration, &loaded.active}, func() error {
		s.numbers[number] = loaded
		return nil
	})
	return err
}

func (s *state) scanConnections(rows pgx.Rows) error {
	var number string
	var loaded connection
	_, err := pgx.ForEachRow(rows, []any{&number, &loaded.organization, &loaded.bridge, &loaded.configuration,
		&loaded.provider, &loaded.version, &loaded.connectedAt}, func() error {
		found := loaded
		found.loaded = found.version
		s.connections[number] = &found
		return nil
	})
	return err
}

func (s *state) queueInbox(q *pgx.Batch, keys []inboxKey) {
	tokens, names := make([]string, len(keys)), make([]string, len(keys))
	for i, key := range keys {
		tokens[i], names[i] = key.organization, key.key
	}
	q.Queue(loadInboxSQL, tokens, names).Query(func(rows pgx.Rows) error {
		var place int
		var digest []byte
		_, err := pgx.ForEachRow(rows, []any{&place, &digest}, func() error {
			s.inbox[keys[place-1]] = [16]byte(digest)
			return nil
		})
		return err
	})
}

func compareBridgeKeys(a, b bridgeKey) int {
	return cmp.Or(cmp.Compare(a.organization, b.organization), cmp.Compare(a.slug, b.slug))
}

func compareInboxKeys(a, b inboxKey) int {
	return cmp.Or(cmp.Compare(a.organization, b.organization), cmp.Compare(a.key, b.key))
}

// sortedSet sorts values and drops repeated ones. Sorted keys make index
// look-ups cheaper, and rows written in order of their keys can't deadlock.
func sortedSet[T comparable](values []T, order func(a, b T) int) []T {
	slices.SortFunc(values, order)
	return slices.Compact(values)
}
