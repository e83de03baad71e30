package systemtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"

	"connect-provider/deploy/faults"
)

const (
	natsImage = "nats:2.15-alpine"
	natsPort  = "4222/tcp" // in the container
)

// natsEntry is the container's program: it does what was put off until the
// server does not run, and becomes the server.
const natsEntry = `
if [ -e /before-start ]; then sh -e /before-start && rm /before-start; fi
exec nats-server --config /etc/nats/nats-server.conf
`

// natsConfig is the server's configuration file, with the same settings as the
// local server's. The store lies in the container, so it stays when the
// container is stopped.
const natsConfig = `
port: 4222
jetstream {
  store_dir: /data
  sync_interval: always
  limits { batch { max_inflight_per_stream: 1000, max_inflight_total: 10000, timeout: "5s" } }
}
`

type natsContainer struct {
	port      int
	container testcontainers.Container // nil until the first start
	running   bool
}

func newNATSContainer(port int) natsHost { return &natsContainer{port: port} }

func (n *natsContainer) URL() string { return fmt.Sprintf("nats://%s:%d", containerHost(), n.port) }

// Start binds a fixed port of this machine: a port chosen by the engine would
// change with every start.
func (n *natsContainer) Start(ctx context.Context) error {
	if n.running {
		return nil
	}
	if n.container == nil {
		c, err := runContainer(ctx, testcontainers.ContainerRequest{
			Image: natsImage, Entrypoint: []string{"sh", "-c", natsEntry},
			Files: []testcontainers.ContainerFile{{
				Reader: strings.NewReader(natsConfig), ContainerFilePath: "/etc/nats/nats-server.conf", FileMode: 0o644,
			}},
			ExposedPorts: []string{natsPort},
			HostConfigModifier: func(c *container.HostConfig) {
				c.PortBindings = network.PortMap{network.MustParsePort(natsPort): {{HostPort: strconv.Itoa(n.port)}}}
			},
		})
		if err != nil {
			return err
		}
		n.container, n.running = c, true
		return nil
	}
	n.running = true
	return n.container.Start(ctx)
}

func (n *natsContainer) Stop() error {
	ctx, cancel := startContext()
	defer cancel()
	if !n.running {
		return nil
	}
	n.running = false
	patience := 20 * time.Second
	return n.container.Stop(ctx, &patience)
}

func (n *natsContainer) Kill() error {
	ctx, cancel := startContext()
	defer cancel()
	if !n.running {
		return nil
	}
	n.running = false
	return killContainer(ctx, n.container)
}

func (n *natsContainer) KeepStream(ctx context.Context, stream string) error {
	_, err := containerShell(ctx, n.container, "root", `rm -rf "/kept-$2" && cp -a "/data/$1/$2" "/kept-$2"`, faults.NATSStreams, stream)
	return err
}

// RewindStream leaves the work to the container's next start: nothing can be run
// in a stopped one.
func (n *natsContainer) RewindStream(stream string) error {
	ctx, cancel := startContext()
	defer cancel()
	putBack := fmt.Sprintf(`rm -rf '/data/%[1]s/%[2]s' && cp -a '/kept-%[2]s' '/data/%[1]s/%[2]s'`, faults.NATSStreams, stream)
	_, err := containerShell(ctx, n.container, "root", `printf '%s\n' "$1" >/before-start`, putBack)
	return errors.Join(err, n.Stop())
}

// LoseDisk leaves the work to the container's next start, as RewindStream does.
func (n *natsContainer) LoseDisk() error {
	ctx, cancel := startContext()
	defer cancel()
	_, err := containerShell(ctx, n.container, "root", `printf '%s\n' 'rm -rf /data/*' >/before-start`)
	return errors.Join(err, n.Kill())
}

func (n *natsContainer) Remove() error { return removeContainer(n.container) }
