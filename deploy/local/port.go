package local

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Ports are taken below the range that kernels use for outgoing connections:
// otherwise a client that keeps dialling a stopped server can itself occupy the
// port, and the server could not come back on it.
const (
	lowestPort  = 20000
	highestPort = 32000
)

// FreePort finds a TCP port on the host that nobody listens on at the moment.
func FreePort(host string) (int, error) {
	var last error
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if last = probe(host, port); last == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port on %s between %d and %d: %w", host, lowestPort, highestPort, last)
}

func probe(host string, port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}

// rememberedPort gives the port noted in the directory if it is still free,
// else a free one. notePort notes it once a server listens there.
func rememberedPort(dir, host string) (int, error) {
	if b, err := os.ReadFile(filepath.Join(dir, "port")); err == nil {
		port, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err == nil && port > 0 && port < 65536 && probe(host, port) == nil {
			return port, nil
		}
	}
	return FreePort(host)
}

func notePort(dir string, port int) error {
	return os.WriteFile(filepath.Join(dir, "port"), []byte(strconv.Itoa(port)+"\n"), 0o600)
}
