package messages

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxHandle is the length in bytes of the longest organization handle.
const MaxHandle = 255

// Organization is who a command comes from, as its subject says.
type Organization struct {
	// Token is the organization's subject token and its key wherever one is
	// needed: in event subjects, in the worker's tables, in event ids. It is
	// never empty and safe to use as one subject token.
	Token string
	// Handle is the domain handle the token encodes. It is empty for a token
	// that is not the encoding of its own decoding, such as %61cme: that can
	// be no organization.
	Handle string
}

// OrganizationFromHandle returns the organization with a domain handle. Its
// token is the handle with every byte outside [A-Za-z0-9_-] percent-encoded.
// It is an error if the handle is empty, longer than [MaxHandle] bytes, not
// valid UTF-8 or has a control character.
func OrganizationFromHandle(handle string) (Organization, error) {
	if err := checkHandle(handle); err != nil {
		return Organization{}, err
	}
	return Organization{Token: escapeToken(handle), Handle: handle}, nil
}

// OrganizationFromToken returns the organization that a command's subject
// names. It accepts whatever a client may have put there: a token that can be
// no organization keeps its spelling if it is short and printable, and is
// replaced by a digest of itself otherwise.
func OrganizationFromToken(token string) Organization {
	if handle, ok := unescapeToken(token); ok && checkHandle(handle) == nil && escapeToken(handle) == token {
		return Organization{Token: token, Handle: handle}
	}
	if harmlessToken(token) {
		return Organization{Token: token}
	}
	return Organization{Token: digestToken(token)}
}

// OrganizationFromKey returns the organization with the given [Organization.Token],
// as read back from an event's subject or from the worker's tables.
func OrganizationFromKey(key string) Organization {
	if isDigestToken(key) {
		return Organization{Token: key}
	}
	return OrganizationFromToken(key)
}

// Canonical reports whether the token is the encoding of a handle. Where it is
// not, no such organization can exist.
func (o Organization) Canonical() bool { return o.Handle != "" }

func checkHandle(handle string) error {
	switch {
	case handle == "":
		return fmt.Errorf("the organization handle is empty")
	case len(handle) > MaxHandle:
		return fmt.Errorf("the organization handle has %d bytes, at most %d are allowed", len(handle), MaxHandle)
	case !utf8.ValidString(handle):
		return fmt.Errorf("the organization handle is not valid UTF-8")
	case strings.ContainsFunc(handle, unicode.IsControl):
		return fmt.Errorf("the organization handle has a control character")
	}
	return nil
}

// harmlessToken reports whether a token that encodes no handle can be used as
// it is: one printable subject token that fits an index, and that cannot be
// mistaken for the digest of another.
func harmlessToken(token string) bool {
	if token == "" || len(token) > MaxHandle || token[0] == '~' {
		return false
	}
	for i := range len(token) {
		if c := token[i]; c <= ' ' || c > '~' || c == '.' || c == '*' || c == '>' {
			return false
		}
	}
	return true
}

// digestToken stands in for a token that is too long or unprintable: the
// beginning for people, the digest to tell it from every other.
func digestToken(token string) string {
	digest := sha256.Sum256([]byte(token))
	return "~" + escapeToken(token[:min(len(token), 64)]) + "~" + hex.EncodeToString(digest[:])
}

func isDigestToken(token string) bool {
	beginning, digest, ok := strings.Cut(strings.TrimPrefix(token, "~"), "~")
	if !ok || token[0] != '~' || len(digest) != 2*sha256.Size || strings.Trim(digest, "0123456789abcdef") != "" {
		return false
	}
	raw, ok := unescapeToken(beginning)
	return ok && len(raw) <= 64 && escapeToken(raw) == beginning
}

const upperHex = "0123456789ABCDEF"

func escapeToken(s string) string {
	escaped := 0
	for i := range len(s) {
		if !tokenByte(s[i]) {
			escaped++
		}
	}
	if escaped == 0 {
		return s
	}
	token := make([]byte, 0, len(s)+2*escaped)
	for i := range len(s) {
		if c := s[i]; tokenByte(c) {
			token = append(token, c)
		} else {
			token = append(token, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(token)
}

// unescapeToken undoes escapeToken. It reports false for what escapeToken
// cannot have made.
func unescapeToken(token string) (string, bool) {
	plain := true
	for i := range len(token) {
		if !tokenByte(token[i]) {
			plain = false
			break
		}
	}
	if plain {
		return token, true
	}
	handle := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		switch {
		case tokenByte(c):
			handle = append(handle, c)
		case c == '%' && i+2 < len(token):
			high, low := strings.IndexByte(upperHex, token[i+1]), strings.IndexByte(upperHex, token[i+2])
			if high < 0 || low < 0 {
				return "", false
			}
			handle = append(handle, byte(high<<4|low))
			i += 2
		default:
			return "", false
		}
	}
	return string(handle), true
}

func tokenByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}
