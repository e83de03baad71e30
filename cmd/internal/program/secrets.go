package program

import (
	"bytes"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// masked stands where a secret was.
const masked = "xxxxx"

// shortestSecret is the length from which a value is looked for in logs: a
// shorter one would mask half of every line.
const shortestSecret = 4

// Secrets are the values that a configuration holds and nobody may read in a
// log or an error, also where a library repeats them. The zero value is ready.
type Secrets struct {
	mu     sync.RWMutex
	values []string
}

// Add notes secrets, in every spelling in which they may turn up: plain, in a
// URL, in JSON.
func (s *Secrets) Add(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, value := range values {
		if len(value) < shortestSecret {
			continue
		}
		quoted, _ := json.Marshal(value)
		user := url.UserPassword("", value).String()
		spellings := []string{value, url.QueryEscape(value), url.PathEscape(value), strings.TrimPrefix(user, ":"), strings.Trim(string(quoted), `"`)}
		for _, spelling := range spellings {
			if !slices.Contains(s.values, spelling) {
				s.values = append(s.values, spelling)
			}
		}
	}
	// of two where one begins with the other, the longer must be replaced first
	slices.SortFunc(s.values, func(a, b string) int { return len(b) - len(a) })
}

// Mask returns a text without the secrets.
func (s *Secrets) Mask(text string) string { return string(s.mask([]byte(text))) }

func (s *Secrets) mask(text []byte) []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, value := range s.values {
		text = bytes.ReplaceAll(text, []byte(value), []byte(masked))
	}
	return text
}

// Writer returns a writer that passes everything on without the secrets. Each
// Write is masked by itself, as suits lines.
func (s *Secrets) Writer(w io.Writer) io.Writer { return &maskingWriter{secrets: s, to: w} }

type maskingWriter struct {
	secrets *Secrets
	to      io.Writer
}

func (w *maskingWriter) Write(p []byte) (int, error) {
	if _, err := w.to.Write(w.secrets.mask(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}
