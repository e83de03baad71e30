package main

import (
	"strings"
	"testing"
)

func TestBodiesShowNoPhoneNumber(t *testing.T) {
	t.Parallel()
	const digits = "5551234567"
	utf16 := "\xff\xfe"
	for _, c := range digits {
		utf16 += string(c) + "\x00"
	}
	for name, body := range map[string]string{
		"JSON":              `{"phone_number":"+1` + digits + `"}`,
		"JSON, no E.164":    `{"phone_number":"` + digits + `"}`,
		"JSON, a number":    `{"phone_number":1` + digits + `}`,
		"JSON, its escape":  `{"phone_number":"\u002b1\u0035551234567"}`,
		"JSON, misnamed":    `{"phoneNumber":"(555) 123-4567"}`,
		"JSON, elsewhere":   `{"metadata":{"old":"+1` + digits + `","again":"555 123 4567"},"x":[1` + digits + `,"call 555-123-4567"]}`,
		"JSON, given twice": `{"phone_number":"+1` + digits + `","phone_number":"+1` + digits + `"}`,
		"JSON, a string":    `"+1` + digits + `"`,
		"JSON in base64":    `{"data_base64":"KzE1NTUxMjM0NTY3"}`,
		"cut off":           `{"phone_number":"+1` + digits + `","brid`,
		"text":              "connect +1 (555) 123-4567 please",
		"form":              "phone_number=%2B1" + digits,
		"no text":           "\x00\x01+1" + digits + "\xff",
		"UTF-16":            utf16,
	} {
		shown := shownBody([]byte(body), false)
		plain := strings.Map(func(r rune) rune {
			if strings.ContainsRune(" ()-.|\x00\n", r) {
				return -1
			}
			return r
		}, shown)
		if strings.Contains(plain, digits) || strings.Contains(plain, "1234567") || strings.Contains(shown, "KzE1") || strings.Contains(shown, "35 35 31 32 33 34") || strings.Contains(shown, "35 00 35 00 35 00 31") {
			t.Errorf("%s: %s", name, shown)
		}
		if again := shownBody([]byte(body), true); again == shown {
			t.Errorf("%s: nothing was masked in %s", name, shown)
		}
	}
}

func TestBodiesStayReadable(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"command_id":"order-7731","provider_config_id":4200000001,"ok":true,"none":null,"n":-1.5}`: "{\n  \"command_id\": \"order-7731\",\n  \"provider_config_id\": 4200000001,\n  \"ok\": true,\n  \"none\": null,\n  \"n\": -1.5\n}",
		`{"a":{"phone_number":"+1234567890"}}`:                                                       "{\n  \"a\": {\n    \"phone_number\": \"+1*****7890\"\n  }\n}",
		"not a command":                                                                              "not a command",
		"\x1b[2Jhello\u202e":                                                                         "00000000  1b 5b 32 4a 68 65 6c 6c  6f e2 80 ae              |.[2Jhello...|",
		"{\"a\":\"\u009b\"}":                                                                         "{\n  \"a\": \"\\u009b\"\n}",
		"":                                                                                           "",
		"{} x":                                                                                       "{} x",
	} {
		if got := shownBody([]byte(body), false); got != want {
			t.Errorf("%q is shown as\n%s\nwant\n%s", body, got, want)
		}
	}
}
