package main

import (
	"context"

	"connect-provider/cmd/internal/bench"
	"connect-provider/cmd/internal/connection"
)

// connect connects with the system that the settings name. The caller calls end.
func (s *benchSettings) connect(ctx context.Context, p process, _ bench.Options, screen *screen) (system *bench.System, end func() error, err error) {
	screen.step("Connecting")
	pool, err := openDatabase(ctx, &s.Database)
	if err != nil {
		return nil, nil, err
	}
	nc, js, err := s.NATS.connect(p.secrets, connection.Lasting(p.logger)...)
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	end = func() error {
		nc.Close()
		pool.Close()
		return nil
	}
	return &bench.System{
		NATS: nc, JetStream: js, Database: pool, Monitoring: s.Monitoring,
		Workers:   &bench.RunningWorkers{Database: pool, NATS: nc, URLs: s.MetricsURL},
		Processes: []bench.Process{bench.Self("this benchmark")},
	}, end, nil
}
