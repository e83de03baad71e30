package systemtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/local"
)

// postgresLocal is a server that is a child of the test process.
type postgresLocal struct {
	dir    string
	port   int
	server *local.Postgres // nil until the first start
}

func newPostgresLocal() (postgresHost, error) {
	dir, err := newDir("postgres")
	if err != nil {
		return nil, err
	}
	port, err := local.FreePort("127.0.0.1")
	return &postgresLocal{dir: dir, port: port}, err
}

func (p *postgresLocal) url() string { return p.server.URL() }

func (p *postgresLocal) dataDir() string { return filepath.Join(p.dir, "data") }

func (p *postgresLocal) ownPort() int { return p.port }

func (p *postgresLocal) start(ctx context.Context) error {
	if p.running() {
		return nil
	}
	s, err := local.StartPostgres(ctx, local.PostgresOptions{Dir: p.dir, Port: p.port, Unsynced: true, Settings: privateSettings})
	if err != nil {
		return err
	}
	p.server = s
	return nil
}

func (p *postgresLocal) running() bool {
	if p.server == nil {
		return false
	}
	select {
	case <-p.server.Done():
		return false
	default:
		return true
	}
}

func (p *postgresLocal) stop(context.Context) error {
	if !p.running() {
		return nil
	}
	return p.server.Close()
}

func (p *postgresLocal) kill(context.Context) error {
	if !p.running() {
		return nil
	}
	return p.server.Kill()
}

func (p *postgresLocal) shell(ctx context.Context, script string, args ...string) (string, error) {
	return faults.LocalShell(ctx, script, args...)
}

func (p *postgresLocal) second(ctx context.Context) (postgresHost, error) {
	host, err := newPostgresLocal()
	if err != nil {
		return nil, err
	}
	return host, faults.PrepareLocal(ctx, p.dir, host.(*postgresLocal).dir)
}

// remove resumes a server that the test left paused: a stopped process would
// never notice its end.
func (p *postgresLocal) remove() error {
	ctx, cancel := startContext()
	defer cancel()
	if p.running() {
		if err := faults.ResumeCluster(ctx, p.shell, p.dataDir()); err != nil {
			return err
		}
	}
	return errors.Join(p.stop(ctx), os.RemoveAll(p.dir))
}
