package messages_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"pgregory.net/rapid"

	"connect-provider/messages"
)

func TestParsePhoneNumber(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"+1234567890", "+12", "+123456789012345", "+491701234567"} {
		if n, err := messages.ParsePhoneNumber(s); err != nil || n.E164() != s {
			t.Errorf("%q: %q, %v", s, n.E164(), err)
		}
	}
	for _, s := range []string{
		"", "+", "+1", "1234567890", "+0123456789", "+1234567890123456", " +1234567890", "+1234567890 ", "+1234567890\n",
		"+12 34", "+12-34", "++1234", "+١٢٣٤", "+12a4", "00491701234567", "tel:+1234567890", "+1234567890;ext=1",
	} {
		if n, err := messages.ParsePhoneNumber(s); err == nil || strings.Contains(err.Error(), "1234") {
			t.Errorf("%q: %q, %v", s, n.E164(), err)
		}
	}
}

func TestPhoneNumberMask(t *testing.T) {
	t.Parallel()
	for number, mask := range map[string]string{
		"+1234567890": "+1*****7890", "+123456789012345": "+1**********2345", "+123456789": "+1******89", "+1234567": "+1****67",
		"+123456": "+******", "+12": "+**",
	} {
		n, err := messages.ParsePhoneNumber(number)
		if err != nil || n.String() != mask || messages.MaskPhoneNumber(number) != mask {
			t.Errorf("%s: %s, %v, want %s", number, n, err, mask)
		}
	}
	if got := messages.MaskPhoneNumber("(234) 567-8901"); got != "invalid(14 bytes)" {
		t.Errorf("what is no number is logged as %q", got)
	}
	if got := (messages.PhoneNumber{}).String(); got != "" {
		t.Errorf("no number is logged as %q", got)
	}
}

// However something with a number in it is printed or logged, the number does
// not show.
func TestNothingPrintsThePhoneNumber(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[1-9][0-9]{4,14}`).Draw(t, "digits")
		number, err := messages.ParsePhoneNumber("+" + digits)
		if err != nil {
			t.Fatal(err)
		}
		r := messages.Decode(message(with("1234567890", digits)))
		event := messages.NewEvent(&r, 1, messages.Outcome{}, r.Key(), received)
		for name, value := range map[string]any{
			"number": number, "pointer": &number, "list": []messages.PhoneNumber{number}, "struct": struct{ N messages.PhoneNumber }{number},
			"command": r.Command, "command pointer": &r.Command, "message": r.Message, "received": r, "received pointer": &r,
			"event": event, "event pointer": &event, "data": event.Data, "batch": []messages.Received{r},
		} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%40v"} {
				reveals(t, name+" by "+verb, fmt.Sprintf(verb, value), digits)
			}
			encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{})
			line, err := encoder.EncodeEntry(zapcore.Entry{}, []zapcore.Field{zap.Any("it", value)})
			if err != nil {
				t.Fatal(err)
			}
			if name != "batch" { // zap writes lists by encoding/json; there is no reason to log one
				reveals(t, name+" by zap", line.String(), digits)
			}
		}
		text, err := json.Marshal(struct{ N messages.PhoneNumber }{number})
		if err != nil {
			t.Fatal(err)
		}
		reveals(t, "number by JSON", string(text), digits)
	})
}

func reveals(t *rapid.T, how, printed, digits string) {
	hex := fmt.Sprintf("%x", digits)
	if strings.Contains(printed, digits) || strings.Contains(printed, hex) {
		t.Fatalf("%s reveals %s: %s", how, digits, printed)
	}
}
