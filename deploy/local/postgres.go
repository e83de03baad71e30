package local

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"go.uber.org/zap"
)

// PostgresOptions say which server StartPostgres makes.
type PostgresOptions struct {
	// Dir keeps the cluster (below data), its password, port and log. It belongs
	// to the server: it gets mode 0700 and the server's account as its owner.
	// The caller sees to it that no other process uses it.
	Dir string
	// BinDir is the directory of the server's programs. Empty looks for them.
	BinDir string
	// NoDownload leaves the download out of the ways to find programs.
	NoDownload bool
	// Port on 127.0.0.1. 0 is the one that Dir remembers, else a free one.
	Port int
	// Unsynced turns fsync off: what is committed survives a killed server, but
	// not the machine's power. For tests.
	Unsynced bool
	// Settings are server parameters beyond the defaults ("max_connections": "300").
	Settings map[string]string
	// Logger may be nil.
	Logger *zap.Logger
}

// Postgres is a running server, a child of this process.
type Postgres struct {
	options  PostgresOptions
	binaries Binaries
	account  account
	dir      string
	data     string
	password string
	port     int
	process  *process
	log      *zap.Logger
}

// StartPostgres starts a server on the cluster in o.Dir, which it makes the
// first time, and returns when connections succeed. A server that an earlier
// process left running there is ended first. The context bounds the start only.
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	p := &Postgres{options: o, log: o.Logger}
	if p.log == nil {
		p.log = zap.NewNop()
	}
	p.log = p.log.Named("postgres")
	if err := p.prepare(); err != nil {
		return nil, err
	}
	if err := p.endLeftover(ctx); err != nil {
		return nil, err
	}
	if err := p.initialize(ctx); err != nil {
		return nil, err
	}
	if err := p.launch(ctx); err != nil {
		return nil, err
	}
	return p, notePort(p.dir, p.port)
}

// prepare finds the programs and makes the directory the server's own.
func (p *Postgres) prepare() (err error) {
	if p.account, err = serverAccount(); err != nil {
		return err
	}
	if p.dir, err = makeDir(p.options.Dir); err != nil {
		return err
	}
	p.data = dataDir(p.dir)
	if err := p.account.own(p.dir, 0o700); err != nil {
		return fmt.Errorf("directory of the local Postgres: %w", err)
	}
	if err := p.account.canEnter(p.dir); err != nil {
		return err
	}
	p.binaries, err = FindPostgres(PostgresOptions{Dir: p.dir, BinDir: p.options.BinDir, NoDownload: p.options.NoDownload})
	return err
}

// command is the server. Its settings stand on the command line: a copy of the
// data directory carries none of them along.
func (p *Postgres) command(log *os.File) *exec.Cmd {
	settings := map[string]string{
		"listen_addresses":        loopback,
		"port":                    strconv.Itoa(p.port),
		"unix_socket_directories": "",
		"logging_collector":       "off",
	}
	if p.options.Unsynced {
		settings["fsync"], settings["full_page_writes"] = "off", "off"
	}
	for name, value := range p.options.Settings {
		settings[name] = value
	}
	args := []string{"-D", p.data}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	cmd := exec.Command(p.binaries.path("postgres"), args...)
	cmd.Dir, cmd.Env = p.dir, serverEnv()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = p.account.serverAttributes()
	return cmd
}

// URL connects as the cluster's superuser. It contains the password.
func (p *Postgres) URL() string { return p.urlOf(databaseName) }

func (p *Postgres) urlOf(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(roleName, p.password),
		Host:     net.JoinHostPort(loopback, strconv.Itoa(p.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Port is where the server listens on 127.0.0.1.
func (p *Postgres) Port() int { return p.port }

// DataDir is the cluster's data directory.
func (p *Postgres) DataDir() string { return p.data }

// LogFile is where the server writes its log.
func (p *Postgres) LogFile() string { return filepath.Join(p.dir, "log") }

// Pid is the process id of the postmaster.
func (p *Postgres) Pid() int { return p.process.cmd.Process.Pid }

// Done is closed when the server has ended, by Close or by itself.
func (p *Postgres) Done() <-chan struct{} { return p.process.done }

// Close shuts the server down (sessions end, a checkpoint is written) and waits
// for it. Closing it again does nothing.
func (p *Postgres) Close() error {
	if p.process.ended() {
		return nil
	}
	if err := p.process.stop(); err != nil {
		return fmt.Errorf("local Postgres: %w", err)
	}
	return nil
}

// Kill ends the postmaster as kill -9 does and waits until it is gone. Its
// children end by themselves a moment later.
func (p *Postgres) Kill() error {
	if err := p.process.signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill the local Postgres: %w", err)
	}
	<-p.process.done
	return nil
}
