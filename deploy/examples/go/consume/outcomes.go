package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/uuid"

	"connect-provider/messages"
)

// outcomes is what the program knows: the outcome of each command, each as
// the line of a file that is only ever appended to.
type outcomes struct {
	file    *os.File
	handled map[uuid.UUID]bool  // event ids
	current map[uuid.UUID]entry // by event id, without those that were corrected
}

// entry is a line of the file.
type entry struct {
	EventID   uuid.UUID     `json:"event_id"`
	Corrects  *uuid.UUID    `json:"corrects,omitempty"`
	CommandID string        `json:"command_id,omitempty"`
	Sequence  uint64        `json:"sequence"`
	Bridge    string        `json:"bridge_slug,omitempty"`
	Failure   messages.Code `json:"failure,omitempty"` // none: connected
}

func openOutcomes(path string) (*outcomes, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	o := &outcomes{file: file, handled: map[uuid.UUID]bool{}, current: map[uuid.UUID]entry{}}
	if err := o.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	return o, nil
}

// load reads the file and cuts off a last line that a crash left unfinished:
// its event was not acknowledged and comes again.
func (o *outcomes) load() error {
	lines, whole := bufio.NewReader(o.file), int64(0)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		o.take(e)
		whole += int64(len(line))
	}
	if err := o.file.Truncate(whole); err != nil {
		return err
	}
	_, err := o.file.Seek(whole, io.SeekStart)
	return err
}

// handle notes an event's outcome durably. It returns false for an event that
// was handled before.
func (o *outcomes) handle(event messages.Event) (news bool, err error) {
	if o.handled[event.ID] {
		return false, nil
	}
	e := entry{EventID: event.ID, Corrects: event.Corrects, CommandID: event.CommandID, Sequence: event.Sequence, Bridge: event.Data.BridgeSlug}
	if event.Data.Error != nil {
		e.Failure = event.Data.Error.Code
	}
	line, err := json.Marshal(e)
	if err != nil {
		return false, err
	}
	if _, err := o.file.Write(append(line, '\n')); err != nil {
		return false, err
	}
	if err := o.file.Sync(); err != nil {
		return false, err
	}
	o.take(e)
	return true, nil
}

// take applies an outcome. A correction takes the place of the earlier one.
func (o *outcomes) take(e entry) {
	if e.Corrects != nil {
		delete(o.current, *e.Corrects)
	}
	o.handled[e.EventID] = true
	o.current[e.EventID] = e
}

// summary counts commands by how they ended, as known by now.
func (o *outcomes) summary() string {
	failed := 0
	for _, e := range o.current {
		if e.Failure != "" {
			failed++
		}
	}
	return fmt.Sprintf("%d outcomes: %d connected, %d failed", len(o.current), len(o.current)-failed, failed)
}

func (o *outcomes) close() { _ = o.file.Close() } // each line was synced
