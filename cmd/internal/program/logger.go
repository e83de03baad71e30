package program

import (
	"fmt"
	"io"
	"slices"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Log is how a program logs, to standard error.
type Log struct {
	Level  string `name:"log-level" env:"CONNECT_PROVIDER_LOG_LEVEL" default:"${log_level}" placeholder:"LEVEL" help:"Least level to log: debug, info, warn or error (default ${log_level})."`
	Format string `name:"log-format" env:"CONNECT_PROVIDER_LOG_FORMAT" default:"auto" placeholder:"FORMAT" help:"json, console (readable), or auto: console on a terminal, else json."`
}

// Problems returns what is wrong with the settings.
func (l Log) Problems() []error {
	var problems []error
	if _, err := zapcore.ParseLevel(l.Level); err != nil {
		problems = append(problems, fmt.Errorf("log level %q: choose debug, info, warn or error", l.Level))
	}
	if !slices.Contains([]string{"auto", "json", "console"}, l.Format) {
		problems = append(problems, fmt.Errorf("log format %q: choose auto, json or console", l.Format))
	}
	return problems
}

// NewLogger returns a logger that writes one event a line, without the secrets.
func (l Log) NewLogger(stderr io.Writer, secrets *Secrets) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(l.Level)
	if err != nil {
		return nil, err
	}
	config := zap.NewProductionEncoderConfig()
	config.TimeKey, config.MessageKey = "time", "message"
	config.EncodeDuration = zapcore.StringDurationEncoder
	var encoder zapcore.Encoder
	if l.Format == "console" || l.Format == "auto" && TerminalWidth(stderr) > 0 {
		config.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		config.EncodeLevel = zapcore.CapitalLevelEncoder
		config.ConsoleSeparator = " "
		encoder = zapcore.NewConsoleEncoder(config)
	} else {
		config.EncodeTime = func(t time.Time, e zapcore.PrimitiveArrayEncoder) {
			e.AppendString(t.UTC().Format("2006-01-02T15:04:05.000000Z"))
		}
		encoder = zapcore.NewJSONEncoder(config)
	}
	sink := zapcore.Lock(zapcore.AddSync(secrets.Writer(stderr)))
	return zap.New(zapcore.NewCore(encoder, sink, level)), nil
}
