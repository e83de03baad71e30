package program_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"connect-provider/cmd/internal/program"
)

func TestCodes(t *testing.T) {
	for _, test := range []struct {
		err  error
		code int
		text string
	}{
		{nil, 0, ""},
		{errors.New("broken"), 1, "name: broken\n"},
		{program.Usage("no such flag"), 2, "name: no such flag\n"},
		{fmt.Errorf("more: %w", program.Exit(3, errors.New("broken"))), 3, "name: more: broken\n"},
		{program.Quiet(4), 4, ""},
	} {
		var out bytes.Buffer
		if code := program.Report(&out, "name", test.err); code != test.code || out.String() != test.text {
			t.Errorf("%v: got %d and %q", test.err, code, out.String())
		}
	}
}
