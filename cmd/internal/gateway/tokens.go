package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"
)

const (
	tokenTTL      = 30 * time.Second
	lookupTimeout = 3 * time.Second
	// mostTokens bounds the cache: an installation has a few for each
	// organization.
	mostTokens = 100_000
	// lookups is how many go on at once.
	lookups = 4
)

//go:embed sql/token.sql
var tokenSQL string

// errUnknownToken says that no organization has the token.
var errUnknownToken = errors.New("unknown token")

// NewPool returns the connections that a gateway needs. It dials nothing yet.
func NewPool(ctx context.Context, databaseURL string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	config.MaxConns = lookups
	config.ConnConfig.ConnectTimeout = lookupTimeout
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "connect-provider gateway"
	}
	dialer := &net.Dialer{Timeout: lookupTimeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4,
	}}
	config.ConnConfig.DialFunc = dialer.DialContext
	return pgxpool.NewWithConfig(ctx, config)
}

type digest = [sha256.Size]byte

// tokens knows whose token is whose: by the database, or for a while by what it
// said. Tokens that nobody has are not remembered, so that a new one works at
// once.
type tokens struct {
	database *pgxpool.Pool
	now      func() time.Time
	lookups  singleflight.Group

	mu    sync.Mutex
	known map[digest]owner
}

type owner struct {
	handle string
	until  time.Time
}

func newTokens(database *pgxpool.Pool) *tokens {
	return &tokens{database: database, now: time.Now, known: map[digest]owner{}}
}

// owner returns the handle of the organization whose token it is, and whether
// the cache knew it. The error is errUnknownToken, or says why it can't be known.
func (t *tokens) owner(ctx context.Context, token string) (handle string, cached bool, err error) {
	sum := sha256.Sum256([]byte(token))
	t.mu.Lock()
	found, ok := t.known[sum]
	t.mu.Unlock()
	if ok && t.now().Before(found.until) {
		return found.handle, true, nil
	}
	// requests that come together look once
	looked := t.lookups.DoChan(string(sum[:]), func() (any, error) {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
		defer cancel()
		return t.look(bounded, sum)
	})
	select {
	case result := <-looked:
		if result.Err != nil {
			return "", false, result.Err
		}
		return result.Val.(string), false, nil
	case <-ctx.Done():
		return "", false, ctx.Err()
	}
}

func (t *tokens) look(ctx context.Context, sum digest) (string, error) {
	asked := t.now()
	var stored []byte
	var handle string
	err := t.database.QueryRow(ctx, tokenSQL, sum[:]).Scan(&stored, &handle)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil || subtle.ConstantTimeCompare(stored, sum[:]) != 1 {
		delete(t.known, sum)
		return "", errUnknownToken
	}
	if len(t.known) >= mostTokens {
		t.forget()
	}
	t.known[sum] = owner{handle: handle, until: asked.Add(tokenTTL)}
	return handle, nil
}

// forget makes room: of what is no longer valid, or else of everything.
func (t *tokens) forget() {
	now := t.now()
	for sum, found := range t.known {
		if !now.Before(found.until) {
			delete(t.known, sum)
		}
	}
	if len(t.known) >= mostTokens {
		clear(t.known)
	}
}

// check tells whether tokens can be looked up.
func (t *tokens) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	if _, err := t.look(ctx, digest{}); !errors.Is(err, errUnknownToken) {
		return err
	}
	return nil
}
