package systemtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/testcontainers/testcontainers-go"
)

const postgresImage = "postgres:18-alpine"

// containerServers is how many servers fit into one container: a primary and
// its standbys. Their ports have to be known when the container is made.
const containerServers = 4

// postgresContainer is one of several servers in one container. The container's
// own process only waits, so that a server can be killed and its data replaced
// while the container lives.
type postgresContainer struct {
	container testcontainers.Container
	password  string
	index     int
	ports     []string // on this machine, by index
	next      *int     // index of the next server
}

// waitForever also reaps what servers leave behind.
const waitForever = `trap 'exit 0' TERM INT; mkdir -p /servers && chown postgres /servers; while :; do sleep 1; done`

func newPostgresContainer() (postgresHost, error) {
	ctx, cancel := startContext()
	defer cancel()
	request := testcontainers.ContainerRequest{Image: postgresImage, Entrypoint: []string{"sh", "-c", waitForever}}
	for i := range containerServers {
		request.ExposedPorts = append(request.ExposedPorts, fmt.Sprintf("%d/tcp", 5432+i))
	}
	c, err := runContainer(ctx, request)
	if err != nil {
		return nil, err
	}
	p := &postgresContainer{container: c, password: rand.Text(), next: new(int)}
	*p.next = 1
	for i := range containerServers {
		port, err := c.MappedPort(ctx, fmt.Sprintf("%d/tcp", 5432+i))
		if err != nil {
			return nil, errors.Join(err, removeContainer(c))
		}
		p.ports = append(p.ports, port.Port())
	}
	if err := p.initialize(ctx); err != nil {
		return nil, errors.Join(err, removeContainer(c))
	}
	return p, nil
}

func (p *postgresContainer) initialize(ctx context.Context) error {
	_, err := p.shell(ctx, `
until [ -w /servers ]; do sleep 0.1; done
umask 077
mkdir "$1"
echo "$3" >/tmp/password
initdb -D "$2" -U connect_provider --pwfile=/tmp/password --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync >/tmp/initdb 2>&1 || { cat /tmp/initdb; exit 1; }
printf 'host all all all scram-sha-256\nhost replication all all scram-sha-256\n' >>"$2/pg_hba.conf"
`, p.dir(), p.dataDir(), p.password)
	return err
}

func (p *postgresContainer) dir() string     { return fmt.Sprintf("/servers/%d", p.index) }
func (p *postgresContainer) dataDir() string { return p.dir() + "/data" }

func (p *postgresContainer) ownPort() int { return 5432 + p.index }

func (p *postgresContainer) url() string { return p.urlOf("connect_provider") }

func (p *postgresContainer) urlOf(database string) string {
	return fmt.Sprintf("postgres://connect_provider:%s@%s:%s/%s?sslmode=disable", p.password, containerHost(), p.ports[p.index], database)
}

// start tries again while children of a killed server still hold its memory.
func (p *postgresContainer) start(ctx context.Context) error {
	options := []string{
		"-c listen_addresses=*", fmt.Sprintf("-c port=%d", p.ownPort()), "-c unix_socket_directories=",
		"-c fsync=off", "-c full_page_writes=off", "-c max_connections=100",
	}
	for name, value := range privateSettings {
		options = append(options, "-c "+name+"="+value)
	}
	if err := retry(ctx, func() error {
		_, err := p.shell(ctx, `
pg_ctl -D "$1" status >/dev/null && exit 0
pg_ctl -D "$1" -l "$1.log" -o "$2" -W start >/dev/null
`, p.dataDir(), strings.Join(options, " "))
		if err != nil {
			return err
		}
		return p.ping(ctx)
	}); err != nil {
		log, _ := p.shell(ctx, `tail -n 20 "$1.log"`, p.dataDir()) // there may be none
		return fmt.Errorf("%w\n%s", err, log)
	}
	return nil
}

func (p *postgresContainer) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.urlOf("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'connect_provider')").Scan(&exists); err != nil || exists {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE connect_provider")
	return err
}

func (p *postgresContainer) stop(ctx context.Context) error {
	_, err := p.shell(ctx, `pg_ctl -D "$1" status >/dev/null || exit 0; pg_ctl -D "$1" -m fast -w stop`, p.dataDir())
	return err
}

func (p *postgresContainer) kill(ctx context.Context) error {
	_, err := p.shell(ctx, `
pg_ctl -D "$1" status >/dev/null || exit 0
pid=$(head -n 1 "$1/postmaster.pid")
kill -9 "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
`, p.dataDir())
	return err
}

func (p *postgresContainer) shell(ctx context.Context, script string, args ...string) (string, error) {
	return containerShell(ctx, p.container, "postgres", script, args...)
}

func (p *postgresContainer) second(ctx context.Context) (postgresHost, error) {
	if *p.next == containerServers {
		return nil, fmt.Errorf("at most %d servers in a container", containerServers)
	}
	s := *p
	s.index = *p.next
	*p.next++
	_, err := s.shell(ctx, `umask 077; mkdir "$1"`, s.dir())
	return &s, err
}

// remove removes the container with the first server. A test's cleanups run
// last to first, so it is the last one to be removed.
func (p *postgresContainer) remove() error {
	if p.index != 0 {
		return nil
	}
	return removeContainer(p.container)
}
