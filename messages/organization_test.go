package messages_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"connect-provider/messages"
)

func TestOrganizationFromHandle(t *testing.T) {
	t.Parallel()
	for handle, token := range map[string]string{
		"acme":                    "acme",
		"example.com":             "example%2Ecom",
		"Acme_1-b":                "Acme_1-b",
		"50%":                     "50%25",
		"a b>*":                   "a%20b%3E%2A",
		"zürich":                  "z%C3%BCrich",
		strings.Repeat("a", 255):  strings.Repeat("a", 255),
		strings.Repeat(".", 255):  strings.Repeat("%2E", 255),
		"~":                       "%7E",
		"%61cme":                  "%2561cme",
		"telephony.commands.acme": "telephony%2Ecommands%2Eacme",
	} {
		o, err := messages.OrganizationFromHandle(handle)
		if err != nil || o.Token != token || o.Handle != handle || !o.Canonical() {
			t.Errorf("%q: %+v, %v, want the token %q", handle, o, err, token)
		}
	}
	for _, handle := range []string{"", strings.Repeat("a", 256), "\xff", "a\x00b", "a\nb", "a\u0085b", "\x7f"} {
		if o, err := messages.OrganizationFromHandle(handle); err == nil {
			t.Errorf("%q: accepted as %v", handle, o)
		}
	}
}

func TestTokensThatAreNoOrganization(t *testing.T) {
	t.Parallel()
	kept := []string{"%61cme", "%2e", "%", "%2", "%zz", "a%00b", "a%FFb", "a$b", "a~b", strings.Repeat("%41", 85)}
	for _, token := range kept {
		if o := messages.OrganizationFromToken(token); o.Canonical() || o.Token != token {
			t.Errorf("%q: %+v", token, o)
		}
	}
	replaced := []string{
		"", "*", ">", "a*", "a.b", "\xff", "a\x00", "ü", "a b", "~x",
		strings.Repeat("a", 256), strings.Repeat("%2E", 256),
		// What stands for another token must not be had by asking for it.
		messages.OrganizationFromToken("\xff").Token,
	}
	seen := map[string]string{}
	for _, token := range replaced {
		o := messages.OrganizationFromToken(token)
		if o.Canonical() || o.Token == token || o.Token[0] != '~' || len(o.Token) > 258 {
			t.Errorf("%q: %+v", token, o)
		}
		if other, ok := seen[o.Token]; ok {
			t.Errorf("%q and %q are one organization", token, other)
		}
		seen[o.Token] = token
	}
}

// Any handle comes back from its token, and any token, however hostile, gives
// an organization whose key is one safe subject token and finds it again.
func TestOrganizationLaws(t *testing.T) {
	t.Parallel()
	t.Run("handle", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			handle := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9.%_~-]{1,30}`)).Draw(t, "handle")
			o, err := messages.OrganizationFromHandle(handle)
			if err != nil {
				return
			}
			if back := messages.OrganizationFromToken(o.Token); back != o {
				t.Fatalf("%+v came back as %+v", o, back)
			}
			if back := messages.OrganizationFromKey(o.Token); back != o {
				t.Fatalf("%+v came back from its key as %+v", o, back)
			}
		})
	})
	t.Run("token", func(t *testing.T) {
		t.Parallel()
		hostile := rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) })
		tokens := rapid.OneOf(rapid.StringMatching(`(%[0-9A-Fa-f]{2}|[a-z~]){0,90}`), hostile)
		rapid.Check(t, func(t *rapid.T) {
			token, other := tokens.Draw(t, "token"), tokens.Draw(t, "other")
			o := messages.OrganizationFromToken(token)
			checkSafe(t, o)
			if token != other && o == messages.OrganizationFromToken(other) {
				t.Fatalf("%q and %q are one organization", token, other)
			}
		})
	})
}

// checkSafe checks what everyone relies on who uses an organization's token as
// a key or in a subject.
func checkSafe(t interface{ Fatalf(string, ...any) }, o messages.Organization) {
	if o.Token == "" || len(o.Token) > 3*messages.MaxHandle || strings.ContainsAny(o.Token, ".*> \t\r\n") {
		t.Fatalf("the key %q is no safe subject token", o.Token)
	}
	for i := range len(o.Token) {
		if o.Token[i] <= ' ' || o.Token[i] > '~' {
			t.Fatalf("the key %q is not printable", o.Token)
		}
	}
	if back := messages.OrganizationFromKey(o.Token); back != o {
		t.Fatalf("the key of %+v finds %+v", o, back)
	}
	if !o.Canonical() {
		return
	}
	if again, err := messages.OrganizationFromHandle(o.Handle); err != nil || again != o {
		t.Fatalf("the handle of %+v makes %+v, %v", o, again, err)
	}
}
