package main

import (
	"fmt"
	"io"
	"time"

	"connect-provider/cmd/internal/program"
)

// screen tells a person how the demo goes: a line for each step, with the time
// it took, and on a terminal a line of progress that is written over.
type screen struct {
	to    io.Writer
	width int    // of the terminal, 0 if there is none
	open  string // the step under way
	since time.Time
	drawn time.Time
}

func newScreen(to io.Writer) *screen { return &screen{to: to, width: program.TerminalWidth(to)} }

// step ends the step before and begins the next.
func (s *screen) step(format string, args ...any) {
	s.done()
	s.open, s.since = fmt.Sprintf(format, args...), time.Now()
	s.draw(s.open)
}

// progress shows how much of the step is done.
func (s *screen) progress(done, total int) {
	if time.Since(s.drawn) > 100*time.Millisecond {
		s.draw(fmt.Sprintf("%3d%%  %s of %s commands have their outcome", 100*done/max(total, 1), count(done), count(total)))
	}
}

// draw puts a text into the line that is written over, as far as it fits.
func (s *screen) draw(text string) {
	if s.width == 0 {
		return
	}
	s.drawn = time.Now()
	if most := s.width - 2; len(text) > most {
		text = text[:max(most, 0)]
	}
	fmt.Fprintf(s.to, "\r\x1b[K%s …", text)
}

// done ends the step.
func (s *screen) done() {
	if s.open == "" {
		return
	}
	took := time.Since(s.since).Round(10 * time.Millisecond)
	if s.width > 0 {
		fmt.Fprint(s.to, "\r\x1b[K")
	}
	fmt.Fprintf(s.to, "%s: %s\n", s.open, took)
	s.open = ""
}
