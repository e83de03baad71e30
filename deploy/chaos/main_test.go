package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"connect-provider/deploy/faults"
)

func TestMain(m *testing.M) {
	if faults.NATSProcessRequested() {
		os.Exit(faults.RunNATSProcess())
	}
	// the service is built from the module's root, as a user would
	if err := os.Chdir("../.."); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// chaos runs the program.
func chaos(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errors bytes.Buffer
	code = run(context.Background(), args, &out, &errors)
	return code, out.String(), errors.String()
}

func TestWrongCommandLine(t *testing.T) {
	for _, test := range []struct{ args, says string }{
		{"--acts calm,typhoon", `there is no act "typhoon"; there are calm, kills`},
		{"--defects no-such", `there is no defect "no-such"; there are cursor-`},
		{"--defects all --binary x", "leave --binary out"},
		{"--workers 0", "--workers 0: give at least 1"},
		{"--lease 10ms", "--lease 10ms: the service takes a second or more"},
		{"--duration soon", "soon"},
		{"here", "unexpected argument here"},
	} {
		if code, _, stderr := chaos(t, strings.Fields(test.args)...); code != exitUsage || !strings.Contains(stderr, test.says) {
			t.Errorf("%s: exit code %d, want 2 and %q:\n%s", test.args, code, test.says, stderr)
		}
	}
	if code, stdout, _ := chaos(t, "--help"); code != 0 || !strings.Contains(stdout, "events-lost") {
		t.Errorf("--help: exit code %d\n%s", code, stdout)
	}
}

// TestAttack attacks the service as it is, which satisfies the judge, and one
// with a defect, which does not, and has its story told.
func TestAttack(t *testing.T) {
	common := []string{"--duration", "1s", "--commands-per-act", "400", "--length", "2s", "--organizations", "4", "--lanes", "4"}
	code, stdout, stderr := chaos(t, append(common, "--seed", "1", "--acts", "kills")...)
	if code != 0 || !strings.Contains(stdout, "nothing lost") || !strings.Contains(stdout, "kills of") {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	code, stdout, stderr = chaos(t, append(common, "--seed", "1", "--acts", "calm", "--defects", "order-lost,letters-left-out", "--seeds", "3")...)
	if code != 0 || strings.Count(stdout, "act 1, calm") != 2 || !strings.Contains(stderr, "the story of the first finding") {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	// what only kills bring to light is not found while it is calm
	code, stdout, stderr = chaos(t, append(common, "--seed", "1", "--acts", "calm", "--defects", "leftovers-forgotten", "--seeds", "1", "-q")...)
	if code != exitFound || !strings.Contains(stdout, "NOT CAUGHT") || !strings.Contains(stderr, "1 of 1 planted defects were not caught") {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
}
