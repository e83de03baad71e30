package program_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"connect-provider/cmd/internal/program"
)

func TestPlainTextMovesNoCursor(t *testing.T) {
	for given, want := range map[string]string{
		"":                                "",
		"sales-bridge-001, Zürich ☎ 東京":   "sales-bridge-001, Zürich ☎ 東京",
		"\x1b[2J\x1b]0;title\a":           `\u001b[2J\u001b]0;title\u0007`,
		"one\r\ntwo\tthree\x00\x7f":       `one\u000d\u000atwo\u0009three\u0000\u007f`,
		"C1 \u009b31m":                    `C1 \u009b31m`,
		"turned \u202eround\u2066":        `turned \u202eround\u2066`,
		"\u2028 and \ufeff and \u200b":    `\u2028 and \ufeff and \u200b`,
		"beyond the plane \U000e0041":     `beyond the plane \udb40\udc41`,
		"no UTF-8 \xff\x9b":               `no UTF-8 \ufffd\ufffd`,
		`already \u001b`:                  `already \u001b`,
		"emoji 📞 and combined e\u0301 ok": "emoji 📞 and combined e\u0301 ok",
	} {
		if got := program.Plain(given); got != want {
			t.Errorf("%q\n got %s\nwant %s", given, got, want)
		}
	}
}

func TestPlainJSONIsTheSameDocument(t *testing.T) {
	given := "{\"a\":\"\u009b \u202e \u007f \U000e0041\",\"b\":1}"
	var before, after any
	if err := json.Unmarshal([]byte(given), &before); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(program.Plain(given)), &after); err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("got %q, %v", after, err)
	}
}

func TestAnErrorThatRepeatsForeignTextIsReportedPlainly(t *testing.T) {
	var out bytes.Buffer
	if code := program.Report(&out, "name", errors.New("first\n  second \x1b[31m")); code != program.ExitFailure {
		t.Errorf("code %d", code)
	}
	if got, want := out.String(), "name: first\n  second \\u001b[31m\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
