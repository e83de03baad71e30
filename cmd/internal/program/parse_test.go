package program_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"connect-provider/cmd/internal/program"
)

type settings struct {
	Run struct {
		Wait   time.Duration `env:"PROGRAM_TEST_WAIT" default:"5s"`
		Number int           `default:"7"`
		Size   program.Size  `default:"1GiB"`
		Text   string
	} `cmd:""`
}

func TestSettingsComeFromDefaultsThenEnvironmentThenFlags(t *testing.T) {
	for _, test := range []struct {
		environment string
		args        []string
		want        time.Duration
	}{
		{"", nil, 5 * time.Second},
		{"6s", nil, 6 * time.Second},
		{"6s", []string{"--wait=7s"}, 7 * time.Second},
	} {
		if test.environment != "" {
			t.Setenv("PROGRAM_TEST_WAIT", test.environment)
		}
		var s settings
		parsed, err := program.Parse(&s, append([]string{"run"}, test.args...), io.Discard, io.Discard)
		if err != nil || parsed.Check() != nil || s.Run.Wait != test.want {
			t.Errorf("environment %q, args %q: got %s, %v, %v", test.environment, test.args, s.Run.Wait, err, parsed.Check())
		}
	}
}

func TestAllProblemsAreToldTogether(t *testing.T) {
	t.Setenv("PROGRAM_TEST_WAIT", "soon")
	var s settings
	parsed, err := program.Parse(&s, []string{"run", "--number=many", "--size=3XB"}, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	err = parsed.Check(nil, errors.New("the command's own"))
	if program.Code(err) != program.ExitUsage {
		t.Errorf("code %d", program.Code(err))
	}
	for _, want := range []string{"4 problems", `--wait (PROGRAM_TEST_WAIT): "soon"`, `--number: "many"`, `--size: "3XB"`, "the command's own"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if s.Run.Wait != 5*time.Second || s.Run.Number != 7 {
		t.Errorf("settings that can't be read have other values than their defaults: %+v", s.Run)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]string{"1048576": "1MiB", "512MiB": "512MiB", "4GiB": "4GiB", "1000": "1000", "0": "0"} {
		var s settings
		if _, err := program.Parse(&s, []string{"run", "--size", text}, io.Discard, io.Discard); err != nil || s.Run.Size.String() != want {
			t.Errorf("%s: got %s, %v", text, s.Run.Size, err)
		}
	}
}

func TestHelpAndWrongCommandLines(t *testing.T) {
	var s settings
	var out bytes.Buffer
	if _, err := program.Parse(&s, []string{"run", "--help"}, &out, io.Discard); !errors.Is(err, program.ErrHelp) || !strings.Contains(out.String(), "PROGRAM_TEST_WAIT") {
		t.Errorf("got %v and %s", err, out.String())
	}
	for _, args := range [][]string{{}, {"unknown"}, {"run", "--unknown"}, {"run", "more"}} {
		if _, err := program.Parse(&s, args, io.Discard, io.Discard); program.Code(err) != program.ExitUsage {
			t.Errorf("%q: got %v", args, err)
		}
	}
}
