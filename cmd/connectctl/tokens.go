package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// tokensCommand are the commands about the tokens with which callers of the REST
// gateway identify. The database has only their SHA-256, so a token is shown
// once; its id is how that begins.
type tokensCommand struct {
	Create tokenCreateCommand `cmd:"" help:"Make a token of an organization, and print it, this once."`
	List   tokenListCommand   `cmd:"" help:"List tokens, by their ids."`
	Revoke tokenRevokeCommand `cmd:"" help:"Revoke a token. Gateways take it for up to 30 seconds more."`
	Demo   tokenDemoCommand   `cmd:"" help:"Print the demo organization's token, as dev has it."`
}

// tokenPrefix lets people, and programs that look for leaked secrets, tell what
// it is.
const tokenPrefix = "connect_"

// newToken returns a token of 130 random bits, which nobody guesses.
func newToken() string { return tokenPrefix + rand.Text() }

// idDigits is how long an id is as it is shown.
const idDigits = 12

// token is what the database knows of one.
type token struct {
	sum     []byte
	handle  string
	label   string
	created time.Time
}

func (t *token) id() string { return hex.EncodeToString(t.sum)[:idDigits] }

// createToken makes a token one of an organization. One that is there stays.
func createToken(ctx context.Context, pool *pgxpool.Pool, secret, handle, label string) error {
	var known bool
	if err := pool.QueryRow(ctx, statement("organization_known"), handle).Scan(&known); err != nil {
		return fmt.Errorf("organization %s: %w", handle, err)
	}
	if !known {
		return fmt.Errorf("the platform has no organization %s", handle)
	}
	sum := sha256.Sum256([]byte(secret))
	if _, err := pool.Exec(ctx, statement("create_token"), sum[:], handle, label); err != nil {
		return explainTokens(err)
	}
	return nil
}

// findTokens returns the tokens of an organization, or of all, whose ids begin
// with some digits.
func findTokens(ctx context.Context, pool *pgxpool.Pool, handle, digits string) ([]token, error) {
	rows, err := pool.Query(ctx, statement("tokens"), handle, digits)
	if err != nil {
		return nil, explainTokens(err)
	}
	tokens, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t token, err error) {
		return t, row.Scan(&t.sum, &t.handle, &t.label, &t.created)
	})
	if err != nil {
		return nil, explainTokens(err)
	}
	return tokens, nil
}

// explainTokens says what to do where the tokens are a view of the platform's.
func explainTokens(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		switch refused.Code {
		case "42703", "42P10", "55000", "0A000": // no such column, no such key, a view that can't be changed
			return fmt.Errorf("the tokens are the platform's own here (telephony.api_tokens is no table of connect-provider's): make and revoke them there: %w", err)
		}
	}
	return fmt.Errorf("tokens: %w", err)
}
