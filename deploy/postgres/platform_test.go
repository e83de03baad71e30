package postgres_test

import (
	"context"
	"slices"
	"testing"
)

// A platform that brings views of its own keeps them: the migration says what
// it could not grant, and the platform's owner grants it with those words.
func TestThePlatformGrantsWhatIsItsOwn(t *testing.T) {
	t.Parallel()
	b := newRoles(t)
	b.do("create role platform nologin")
	b.do("create schema telephony authorization platform")
	b.do("set role platform")
	for _, sql := range []string{
		`create view telephony.organizations as select 'acme'::text as domain_handle, true as one_provider_per_bridge`,
		`create view telephony.api_tokens as select ''::bytea as token_sha256, ''::text as domain_handle where false`,
		`create view telephony.bridges as select 'acme'::text as domain_handle, 'b0'::text as slug`,
		`create view telephony.provider_configurations as select 'acme'::text as domain_handle, 1::bigint as id, 'twilio'::text as provider, true as active`,
		`create view telephony.phone_numbers as select '+1555'::text as phone_number, 'acme'::text as domain_handle, 1::bigint as provider_config_id, true as active`,
		`grant usage, create on schema telephony to connect_provider_migrate`,
	} {
		b.do(sql)
	}
	b.do("reset role")
	if err := b.migrate(); err == nil {
		t.Fatal("nothing was missing")
	}
	granted, err := b.grant()
	if err != nil {
		t.Fatal(err)
	}
	var objects []string
	for _, missing := range granted.Missing {
		if missing.Owner != "platform" {
			t.Errorf("%+v", missing)
		}
		objects = append(objects, missing.Object)
	}
	slices.Sort(objects)
	want := []string{
		"telephony", "telephony", "telephony", "telephony.api_tokens", "telephony.bridges", "telephony.bridges", "telephony.organizations",
		"telephony.organizations", "telephony.phone_numbers", "telephony.phone_numbers", "telephony.provider_configurations", "telephony.provider_configurations",
	}
	if !slices.Equal(objects, want) {
		t.Errorf("missing on %q", objects)
	}
	b.do("set role platform")
	for _, missing := range granted.Missing {
		b.do(missing.Statement)
	}
	b.do("reset role")
	if granted, err := b.grant(); err != nil || len(granted.Missing) > 0 {
		t.Errorf("%+v, %v", granted, err)
	}
	for _, role := range roles {
		b.sessions[role] = b.connect(role)
	}
	for _, n := range needs(t) {
		if slices.Contains([]string{"create_token.sql", "tokens.sql", "revoke_token.sql"}, n.name) {
			continue // it makes tokens of its own
		}
		if err := b.met(n); err != nil {
			t.Errorf("%s: %v", n.name, err)
		}
	}
}

// The rights are those of grants.sql, whatever they were; those of a newer
// release's schema are that release's.
func TestGrantingAgainSetsTheRightsStraight(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.granted()
	harm := func() {
		t.Helper()
		b.do("grant all on connect_provider.lanes to connect_provider_reader")
		b.do("grant create on schema connect_provider to connect_provider_worker")
		b.do("revoke select on telephony.bridges from connect_provider_worker")
	}
	harm()
	if _, err := b.grant(); err != nil {
		t.Fatal(err)
	}
	if after := b.granted(); !slices.Equal(before, after) {
		t.Errorf("rights are\n%v\nwant\n%v", after, before)
	}
	harm()
	harmed := b.granted()
	if _, err := b.owner.Exec(context.Background(), "insert into connect_provider.schema_version (version_id, is_applied) values (1000, true)"); err != nil {
		t.Fatal(err)
	}
	if granted, err := b.grant(); err != nil || !granted.Newer {
		t.Errorf("%+v, %v", granted, err)
	}
	if after := b.granted(); !slices.Equal(harmed, after) {
		t.Errorf("an older release changed a newer one's rights")
	}
}

// Several migrations at once grant one after the other; without the roles there
// is nothing to grant.
func TestGrantingAtOnceAndToNobody(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	errs := make(chan error)
	for range 4 {
		go func() {
			_, err := b.grant()
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for _, role := range slices.Backward(roles) {
		b.do("drop owned by connect_provider_" + role)
		b.do("drop role connect_provider_" + role)
	}
	if granted, err := b.grant(); err != nil || len(granted.Roles) > 0 || len(granted.Missing) > 0 {
		t.Errorf("%+v, %v", granted, err)
	}
}
