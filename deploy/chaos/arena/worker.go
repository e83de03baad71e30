package arena

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"connect-provider/deploy/faults"
)

// Worker is a worker process with lines of its own to both servers.
type Worker struct {
	// Mu is held by whoever harms the process.
	Mu      sync.Mutex
	Name    string
	Commits *faults.Commits
	Acks    *faults.Acks
	// Postgres and NATS are its lines. LineMu is held by whoever harms one.
	Postgres, NATS *faults.Line
	LineMu         sync.Mutex

	arena *Arena
	args  []string
	log   string
	run   *workerRun // nil while it is down
}

// workerRun is one life of the process.
type workerRun struct {
	cmd     *exec.Cmd
	ended   chan struct{}
	wanted  chan struct{} // closed before it is made to end
	endOnce sync.Once
}

func (a *Arena) newWorker(n int) (*Worker, error) {
	w := &Worker{
		Name: fmt.Sprintf("worker-%d", n+1), arena: a, Commits: &faults.Commits{}, Acks: &faults.Acks{},
		args: []string{"worker", "--listen", ""},
	}
	return w, w.connect()
}

// connect opens the process's lines.
func (w *Worker) connect() error {
	a := w.arena
	w.log = filepath.Join(a.options.Dir, w.Name+".log")
	var err error
	if w.Postgres, err = faults.NewLine(a.Database.server.URL(), w.Commits.Dial); err != nil {
		return err
	}
	a.Database.lines = append(a.Database.lines, w.Postgres)
	w.NATS, err = faults.NewLine(a.Broker.URL(), w.Acks.Dial)
	return err
}

// Log is the file with all that the worker has logged, JSON lines.
func (w *Worker) Log() string { return w.log }

// Start starts the process, if it is down.
func (w *Worker) Start() error {
	if w.run != nil {
		return nil
	}
	log, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the process has its own descriptor
	cmd := exec.Command(w.arena.options.Binary, append(w.args, "--log-format", "json", "--name", w.Name)...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+w.Postgres.URL(), "NATS_URL="+w.NATS.URL(),
		"CONNECT_PROVIDER_LEASE_TTL="+w.arena.options.Lease.String(), "CONNECT_PROVIDER_PUBLISH_TIMEOUT=2s")
	cmd.Env = append(cmd.Env, w.arena.settings...)
	cmd.Stderr = log
	cmd.SysProcAttr = ownGroup(faults.EndWithParent())
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", w.Name, err)
	}
	run := &workerRun{cmd: cmd, ended: make(chan struct{}), wanted: make(chan struct{})}
	w.run = run
	go func() {
		err := cmd.Wait()
		select {
		case <-run.wanted:
		default:
			w.arena.ended(w, fmt.Sprintf("has ended by itself (%v)", err))
		}
		close(run.ended)
	}()
	return nil
}

// end notes that the process is about to be made to end.
func (r *workerRun) end() { r.endOnce.Do(func() { close(r.wanted) }) }

// Kill is kill -9.
func (w *Worker) Kill() {
	if w.run == nil {
		return
	}
	w.run.end()
	_ = w.run.cmd.Process.Kill() // fails where it has ended, which is noted
	<-w.run.ended
	w.run = nil
}

// Pause stops the process where it is; Resume lets it go on.
func (w *Worker) Pause() error { return w.signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (w *Worker) Resume() error { return w.signal(syscall.SIGCONT) }

func (w *Worker) signal(s syscall.Signal) error {
	if w.run == nil {
		return nil
	}
	if err := w.run.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: %w", w.Name, err)
	}
	return nil
}

// drainLimit is how long a worker may take to end: its own limit is 20 s.
const drainLimit = time.Minute

// Drain asks the process to end in an orderly way, and waits. That it does not
// end, or panics, is a finding.
func (w *Worker) Drain() {
	if w.run == nil {
		return
	}
	run, logs := w.run, w.arena.markLogs()
	run.end()
	w.run = nil
	_ = run.cmd.Process.Signal(syscall.SIGTERM) // fails where it has ended, which is noted
	select {
	case <-run.ended:
		if logs.count("panic: ") > 0 {
			w.arena.ended(w, "panicked while it was asked to end")
		}
		return
	case <-time.After(drainLimit):
	}
	_ = run.cmd.Process.Kill()
	<-run.ended
	w.arena.ended(w, fmt.Sprintf("did not end within %s of SIGTERM", drainLimit))
}

// close ends the process and its lines.
func (w *Worker) close() error {
	w.Kill()
	return errors.Join(w.Postgres.Close(), w.NATS.Close())
}
