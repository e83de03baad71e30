package main

import (
	"context"
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"connect-provider/deploy/bench/bed"
	"connect-provider/messages"
)

// machine is what figures depend on.
type machine struct {
	Cores     int    `json:"cores"`
	Processor string `json:"processor"`
	System    string `json:"system"`
	Go        string `json:"go"`
	Postgres  string `json:"postgres"`
	NATS      string `json:"nats"`
	// Libraries are the versions of what is compared.
	Libraries map[string]string `json:"libraries"`
}

// thisMachine starts servers to ask them for their versions.
func thisMachine(ctx context.Context) (m machine, err error) {
	b, err := bed.Start(ctx, messages.StreamOptions{})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	m = machine{Cores: runtime.NumCPU(), Processor: processor(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: strings.TrimPrefix(runtime.Version(), "go"),
		NATS: b.NC.ConnectedServerVersion(), Libraries: libraries()}
	m.Postgres, err = b.PostgresVersion(ctx)
	return m, err
}

// processor is the model's name as Linux tells it, empty elsewhere.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

var compared = []string{"github.com/riverqueue/river", "github.com/ThreeDotsLabs/watermill", "github.com/ThreeDotsLabs/watermill-nats/v2", "github.com/ThreeDotsLabs/watermill-sql/v4"}

func libraries() map[string]string {
	versions := map[string]string{}
	build, _ := debug.ReadBuildInfo()
	if build == nil {
		return versions
	}
	for _, module := range build.Deps {
		for _, path := range compared {
			if module.Path == path {
				versions[path] = strings.TrimPrefix(module.Version, "v")
			}
		}
	}
	return versions
}
