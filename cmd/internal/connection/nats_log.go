package connection

import (
	"errors"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// logTo has a connection say what happens to it. Failed tries to connect are
// told when their cause changes, not each time.
func logTo(logger *zap.Logger) []nats.Option {
	logger = logger.Named("nats")
	last := ""
	return []nats.Option{
		nats.ConnectHandler(func(nc *nats.Conn) {
			logger.Info("connected", zap.String("server", nc.ConnectedUrlRedacted()), zap.String("server_version", nc.ConnectedServerVersion()))
		}),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if nc.IsClosed() {
				return // this program did it
			}
			logger.Warn("connection lost, will reconnect", zap.Error(err))
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			last = ""
			logger.Info("reconnected", zap.String("server", nc.ConnectedUrlRedacted()))
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			if err == nil || err.Error() == last {
				return
			}
			last = err.Error()
			logger.Warn("not connected, will retry", zap.Error(err))
		}),
		nats.LameDuckModeHandler(func(*nats.Conn) {
			logger.Info("server is about to shut down, will reconnect")
		}),
		nats.ErrorHandler(func(_ *nats.Conn, subscription *nats.Subscription, err error) {
			field := zap.Skip()
			if subscription != nil {
				field = zap.String("subject", subscription.Subject)
			}
			if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrPermissionViolation) {
				logger.Error("refused: the user's credentials or permissions need an operator", field, zap.Error(err))
				return
			}
			logger.Warn("asynchronous error", field, zap.Error(err))
		}),
	}
}
