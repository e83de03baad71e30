package arena

import (
	"bytes"
	"os"
)

// logs is where the workers' logs ended at some time.
type logs struct {
	workers []*Worker
	ends    []int64
}

func (a *Arena) markLogs() *logs {
	l := &logs{workers: a.Workers}
	for _, w := range a.Workers {
		var end int64
		if info, err := os.Stat(w.log); err == nil {
			end = info.Size()
		}
		l.ends = append(l.ends, end)
	}
	return l
}

// count returns how often something was logged since.
func (l *logs) count(text string) (n int) {
	for i, w := range l.workers {
		log, err := os.ReadFile(w.log)
		if err == nil && int64(len(log)) > l.ends[i] {
			n += bytes.Count(log[l.ends[i]:], []byte(text))
		}
	}
	return n
}

// tail is the end of a file.
func tail(path string) []byte {
	const most = 3000
	text, err := os.ReadFile(path)
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(text[max(0, len(text)-most):])
}
