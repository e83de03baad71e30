package program_test

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/zap"

	"connect-provider/cmd/internal/program"
)

func TestNoLogShowsASecret(t *testing.T) {
	const password = `s3cret/"word`
	secrets := &program.Secrets{}
	secrets.Add(password, "", "abc")
	var out bytes.Buffer
	logger, err := program.Log{Level: "debug", Format: "json"}.NewLogger(&out, secrets)
	if err != nil {
		t.Fatal(err)
	}
	logger.Warn("as it is: "+password, zap.String("field", password),
		zap.Error(errors.New("dial postgres://user:"+url.QueryEscape(password)+"@host")),
		zap.String("url", (&url.URL{Scheme: "nats", User: url.UserPassword("user", password), Host: "host"}).String()))
	if strings.Contains(out.String(), "s3cret") {
		t.Errorf("logged: %s", out.String())
	}
	if got := secrets.Mask("abcdef"); got != "abcdef" {
		t.Errorf("what is too short to be told from other text was masked: %s", got)
	}
}

func TestLogSettings(t *testing.T) {
	if problems := (program.Log{Level: "loud", Format: "xml"}).Problems(); len(problems) != 2 {
		t.Errorf("got %v", problems)
	}
	if problems := (program.Log{Level: "warn", Format: "auto"}).Problems(); len(problems) != 0 {
		t.Errorf("got %v", problems)
	}
	var out bytes.Buffer
	logger, err := program.Log{Level: "warn", Format: "auto"}.NewLogger(&out, &program.Secrets{})
	if err != nil {
		t.Fatal(err)
	}
	logger.Info("too little")
	logger.Warn("enough")
	if got := out.String(); strings.Contains(got, "too little") || !strings.HasPrefix(got, `{"level":"warn","time":"`) {
		t.Errorf("what is no terminal gets JSON of the level: %s", got)
	}
}
