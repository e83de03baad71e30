package local

import (
	"fmt"
	"sync/atomic"

	"go.uber.org/zap"
)

// natsLog hands the server's log to zap. Notices (the banner, each start and
// stop) are of interest to few and become debug messages.
type natsLog struct {
	log   *zap.Logger
	fatal atomic.Pointer[string]
}

func newNATSLog(log *zap.Logger) *natsLog {
	if log == nil {
		log = zap.NewNop()
	}
	return &natsLog{log: log.Named("nats")}
}

func (l *natsLog) write(say func(string, ...zap.Field), format string, v []any) string {
	text := fmt.Sprintf(format, v...)
	say("nats server", zap.String("text", text))
	return text
}

func (l *natsLog) Noticef(format string, v ...any) { l.write(l.log.Debug, format, v) }
func (l *natsLog) Warnf(format string, v ...any)   { l.write(l.log.Warn, format, v) }
func (l *natsLog) Errorf(format string, v ...any)  { l.write(l.log.Error, format, v) }
func (l *natsLog) Debugf(format string, v ...any)  { l.write(l.log.Debug, format, v) }
func (l *natsLog) Tracef(format string, v ...any)  { l.write(l.log.Debug, format, v) }

// Fatalf must not end the program as the server's own logger would: the start
// fails with this text instead.
func (l *natsLog) Fatalf(format string, v ...any) {
	text := l.write(l.log.Debug, format, v)
	l.fatal.CompareAndSwap(nil, &text)
}

func (l *natsLog) fatalMessage() string {
	if p := l.fatal.Load(); p != nil {
		return *p
	}
	return ""
}
