package bench

import (
	"context"
	"os"
	"sync"
	"time"

	"connect-provider/deploy/usage"
)

// Process is a process, or a server with all of its processes, whose use of the
// machine is measured.
type Process struct {
	Name string
	// Read reads what it has used so far.
	Read func(ctx context.Context) (usage.Reading, error)
}

// ProcessOf returns a process of this machine by its id; see [usage.Process].
func ProcessOf(name string, pid int) Process {
	return Process{Name: name, Read: func(context.Context) (usage.Reading, error) { return usage.Process(pid) }}
}

// ServerOf returns a process of this machine together with its children; see
// [usage.Server].
func ServerOf(name string, pid int) Process {
	return Process{Name: name, Read: func(context.Context) (usage.Reading, error) { return usage.Server(pid) }}
}

// Self is this process.
func Self(name string) Process { return ProcessOf(name, os.Getpid()) }

// Usage is what a process has used during a measurement. What could not be read
// is nil.
type Usage struct {
	Process    string   `json:"process"`
	CPUSeconds *float64 `json:"cpu_seconds"`
	// PeakMemory is the most that it was seen to hold.
	PeakMemory *int64 `json:"peak_memory_bytes"`
}

// usageInterval is how often memory is looked at that only shows what is held
// now.
const usageInterval = 500 * time.Millisecond

// watch is the usage of processes while something is measured.
type watch struct {
	list func() []Process // those that run now

	mu    sync.Mutex // for what follows
	names []string   // in the order in which they were seen first
	seen  map[string]*watched

	stop  context.CancelFunc
	ended sync.WaitGroup
}

// watched is what is known of a process.
type watched struct {
	first usage.Reading // zero where it was started later
	last  *usage.Reading
	peak  int64
}

// startWatch begins to watch. Processes that are started later are found as well.
func startWatch(ctx context.Context, list func() []Process) *watch {
	w := &watch{list: list, seen: map[string]*watched{}}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look(ctx)
	for _, process := range w.seen {
		if process.last != nil {
			process.first = *process.last
		}
	}
	ctx, w.stop = context.WithCancel(ctx)
	w.ended.Go(func() {
		ticker := time.NewTicker(usageInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				w.mu.Lock()
				w.look(ctx)
				w.mu.Unlock()
			}
		}
	})
	return w
}

// look reads what all processes use. It is called with the lock held.
func (w *watch) look(ctx context.Context) {
	for _, process := range w.list() {
		known := w.seen[process.Name]
		if known == nil {
			known = &watched{}
			w.seen[process.Name] = known
			w.names = append(w.names, process.Name)
		}
		known.last = nil
		if reading, err := process.Read(ctx); err == nil { // else it is told as not known
			known.last, known.peak = &reading, max(known.peak, reading.Memory)
		}
	}
}

// usages returns what was used since the start.
func (w *watch) usages(ctx context.Context) []Usage {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look(ctx)
	usages := make([]Usage, 0, len(w.names))
	for _, name := range w.names {
		known := w.seen[name]
		used := Usage{Process: name}
		if known.last != nil {
			seconds := (known.last.CPU - known.first.CPU).Seconds()
			used.CPUSeconds = &seconds
		}
		if known.peak > 0 {
			used.PeakMemory = &known.peak
		}
		usages = append(usages, used)
	}
	return usages
}

// close ends watching.
func (w *watch) close() {
	w.stop()
	w.ended.Wait()
}
