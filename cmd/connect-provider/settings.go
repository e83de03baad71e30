package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/worker"
)

// workerSettings are the settings of worker.Config.
type workerSettings struct {
	Name                string        `env:"NAME" default:"${name}" placeholder:"TEXT" help:"Names this process to people (default host and process id)."`
	LeaseTTL            time.Duration `name:"lease-ttl" env:"LEASE_TTL" default:"${lease_ttl}" help:"How long a lane stays with a worker that gives no sign of life."`
	BatchSize           int           `env:"BATCH_SIZE" default:"${batch_size}" help:"Most commands in one transaction."`
	InFlight            int           `env:"IN_FLIGHT" default:"${in_flight}" help:"Batches in the database at once, for each traffic class."`
	PublishTimeout      time.Duration `env:"PUBLISH_TIMEOUT" default:"${publish_timeout}" help:"Longest wait for the events stream's answer."`
	DrainTimeout        time.Duration `env:"DRAIN_TIMEOUT" default:"${drain_timeout}" help:"Longest orderly shutdown."`
	ReplayWindow        time.Duration `env:"REPLAY_WINDOW" default:"${replay_window}" help:"How long applied commands stay in the stream, for a restored database."`
	InboxRetention      time.Duration `env:"INBOX_RETENTION" default:"${inbox_retention}" help:"How long a command id is remembered."`
	DeadLetterRetention time.Duration `env:"DEAD_LETTER_RETENTION" default:"${dead_letter_retention}" help:"How long dead letters are kept."`
	UpkeepInterval      time.Duration `env:"UPKEEP_INTERVAL" default:"${upkeep_interval}" help:"How often streams are purged and tables pruned."`
}

// defaults are the values that settings have without flag and variable.
func defaults() kong.Vars {
	d := worker.DefaultConfig()
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return kong.Vars{
		"name":                  fmt.Sprintf("%s:%d", host, os.Getpid()),
		"lease_ttl":             short(d.LeaseTTL),
		"batch_size":            fmt.Sprint(d.BatchSize),
		"in_flight":             fmt.Sprint(d.InFlight),
		"publish_timeout":       short(d.PublishTimeout),
		"drain_timeout":         short(d.DrainTimeout),
		"replay_window":         short(d.ReplayWindow),
		"inbox_retention":       short(d.InboxRetention),
		"dead_letter_retention": short(d.DeadLetterRetention),
		"upkeep_interval":       short(d.UpkeepInterval),
		"nats_url":              connection.DefaultNATSURL,
		"log_level":             "info",
		"version":               program.Version(),
	}
}

// short writes a duration as people do: 72h, not 72h0m0s.
func short(d time.Duration) string {
	switch {
	case d%time.Hour == 0 && d > 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0 && d > 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// config returns the worker's part of its configuration.
func (s workerSettings) config() worker.Config {
	return worker.Config{
		Name: s.Name, Version: program.Version(),
		LeaseTTL: s.LeaseTTL, BatchSize: s.BatchSize, InFlight: s.InFlight,
		PublishTimeout: s.PublishTimeout, DrainTimeout: s.DrainTimeout, ReplayWindow: s.ReplayWindow,
		InboxRetention: s.InboxRetention, DeadLetterRetention: s.DeadLetterRetention, UpkeepInterval: s.UpkeepInterval,
	}
}

// checkListen tells what is wrong with an address to listen on.
func checkListen(address string) error {
	if address == "" {
		return nil
	}
	if _, err := net.ResolveTCPAddr("tcp", address); err != nil {
		return errors.New("--listen (CONNECT_PROVIDER_LISTEN): " + err.Error() + "; give host:port as in 127.0.0.1:8080")
	}
	return nil
}
