package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"connect-provider/deploy/demo"
	"connect-provider/deploy/systemtest"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	database := systemtest.MigratedDatabase(t)
	pool := openPool(t, database)
	if err := demo.Load(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	tokens := func(wantCode int, args ...string) (stdout, stderr string) {
		t.Helper()
		return runs(t, wantCode, append(append([]string{"tokens"}, args...), "--database-url", database)...)
	}
	out, _ := tokens(0, "list")
	contains(t, out, "No token.")

	out, stderr := tokens(0, "create", "--org", "acme", "--label", "billing\x1b[31m")
	secret := strings.TrimSuffix(out, "\n")
	if !strings.HasPrefix(secret, tokenPrefix) || len(secret) != len(tokenPrefix)+26 || stderr != "" {
		t.Fatalf("made %q, %s", out, stderr)
	}
	sum := sha256.Sum256([]byte(secret))
	var handle string
	if err := pool.QueryRow(t.Context(), `select domain_handle from telephony.api_tokens where token_sha256 = $1`, sum[:]).Scan(&handle); err != nil || handle != "acme" {
		t.Errorf("the database has it for %q, %v", handle, err)
	}
	id := hex.EncodeToString(sum[:])[:idDigits]
	other, _ := tokens(0, "create", "--org", "globex")
	if other == out {
		t.Error("two tokens are the same")
	}

	out, _ = tokens(0, "list", "--org", "acme")
	contains(t, out, "ID", "ORGANIZATION", id, "acme", "billing")
	for _, unwanted := range []string{"globex", secret, "\x1b"} {
		if strings.Contains(out, unwanted) {
			t.Errorf("%q is in the list %s", unwanted, out)
		}
	}
	out, _ = tokens(0, "list", "--json")
	var documents []tokenDocument
	if err := json.Unmarshal([]byte(out), &documents); err != nil || len(documents) != 2 || documents[0].ID != id || time.Since(documents[0].CreatedAt) > time.Hour {
		t.Errorf("listed %s, %v", out, err)
	}

	_, stderr = tokens(1, "create", "--org", "nobody")
	contains(t, stderr, "no organization nobody")
	_, stderr = tokens(1, "revoke", strings.Repeat("0", idDigits))
	contains(t, stderr, "there is no token")
	_, stderr = tokens(2, "revoke", "0123", "%")
	contains(t, stderr, `"0123" is no token's id`, `"%"`)
	_, stderr = tokens(2, "revoke", secret)
	contains(t, stderr, "a token and not its id")
	if strings.Contains(stderr, secret) {
		t.Errorf("the token is shown: %s", stderr)
	}
	out, _ = tokens(0, "revoke", id)
	contains(t, out, "revoked "+id+" of acme")
	out, _ = tokens(0, "list", "--org", "acme")
	contains(t, out, "No token.")
}

func TestTokensOfThePlatformsOwn(t *testing.T) {
	t.Parallel()
	database := systemtest.MigratedDatabase(t)
	pool := openPool(t, database)
	for _, sql := range []string{
		`insert into telephony.organizations values ('acme')`, `drop table telephony.api_tokens`,
		`create view telephony.api_tokens as select ''::bytea as token_sha256, ''::text as domain_handle where false`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"create", "--org", "acme"}, {"list"}, {"revoke", strings.Repeat("0", idDigits)}} {
		_, stderr := runs(t, 1, append(append([]string{"tokens"}, args...), "--database-url", database)...)
		contains(t, stderr, "the platform's own here")
	}
}
