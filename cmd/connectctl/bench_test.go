package main

import (
	"strings"
	"testing"

	"connect-provider/cmd/internal/bench"
)

func TestBenchSaysWhatIsWrongWithItsFlags(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"throughput --commands 0":                                  "--commands 0: choose between 1 and 10000000",
		"throughput --commands many":                               `--commands: "many" is no whole number`,
		"throughput --rounds 0":                                    "--rounds 0: choose between 1 and 100",
		"pipeline --class fast":                                    "fast",
		"pipeline --organizations 0":                               "--organizations 0: choose between 1 and 10000",
		"throughput --workers 99":                                  "--workers 99: choose between 1 and 32",
		"latency --rate 100,0":                                     "--rate 0: choose between 1 and 100000 commands a second",
		"latency --duration 1ms":                                   "--duration 1ms: choose between 100ms and 1h",
		"throughput --plot nowhere/at/all.html":                    "there is no directory nowhere/at",
		"throughput --server nats://elsewhere:4222":                "give --database-url (DATABASE_URL) as well, or neither",
		"throughput --monitoring http://127.0.0.1:8222":            "give --database-url as well",
		"throughput --database-url postgres://h/d --workers 2":     "has its own",
		"throughput --database-url postgres://h/d --metrics-url x": `"x" is no address`,
		"remove load":                                              `"load" is not the name of a benchmark`,
	} {
		_, stderr := runs(t, 2, append([]string{"bench"}, strings.Fields(line)...)...)
		if !strings.Contains(stderr, want) {
			t.Errorf("%s\n got %swant %s", line, stderr, want)
		}
	}
}

// TestBenchHelpHidesItsParts: what runs an embedded system is nobody's command.
func TestBenchHelpHidesItsParts(t *testing.T) {
	t.Parallel()
	out, _ := runs(t, 0, "bench", "--help")
	contains(t, out, "throughput", "pipeline", "latency", "remove")
	if strings.Contains(out, "The server of") || strings.Contains(out, "A worker of") {
		t.Errorf("a hidden command is shown:\n%s", out)
	}
}

func TestBenchTellsNoThroughputOfWhatCouldBeLost(t *testing.T) {
	t.Parallel()
	report := &bench.Report{
		Mode: bench.Throughput, Durability: bench.Durability{SynchronousCommit: "on", Fsync: "off", FullPageWrites: "on"},
		Runs: []*bench.Run{{Round: 1, Commands: 1000, Seconds: 0.5, Latency: &bench.Percentiles{P50: 12.3}}},
	}
	var text strings.Builder
	benchText{report}.write(&text)
	contains(t, text.String(), "NOT COMPARABLE: Postgres fsync=off", "JetStream's is not known", "12.3 ms")
	if strings.Contains(text.String(), "commands/s") {
		t.Errorf("a throughput is told:\n%s", text.String())
	}
	report.Durability.Fsync, report.Comparable, report.Runs[0].CommandsPerSecond = "on", true, 2000
	text.Reset()
	benchText{report}.write(&text)
	contains(t, text.String(), "2,000 commands/s")
	if strings.Contains(text.String(), "NOT COMPARABLE") {
		t.Errorf("it is comparable:\n%s", text.String())
	}
}
