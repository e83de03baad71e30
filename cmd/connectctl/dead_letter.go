package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"

	"connect-provider/messages"
)

// letterID names a dead letter: c7.1.4711, by lane, generation and sequence.
// Where a database was restored these can come twice; then the message's time,
// in Unix nanoseconds, stands behind them.
type letterID struct {
	lane        messages.Lane
	generation  int64
	sequence    int64
	messageTime int64 // 0: not given
}

func (id letterID) String() string {
	text := fmt.Sprintf("%s.%d.%d", id.lane, id.generation, id.sequence)
	if id.messageTime != 0 {
		text += "." + strconv.FormatInt(id.messageTime, 10)
	}
	return text
}

func parseLetterID(text string) (letterID, error) {
	wrong := fmt.Errorf("%q is no dead letter's id: write it as in c7.1.4711 (lane, generation, sequence)", text)
	parts := strings.Split(text, ".")
	if len(parts) != 3 && len(parts) != 4 {
		return letterID{}, wrong
	}
	lane, err := messages.ParseLane(parts[0])
	if err != nil {
		return letterID{}, wrong
	}
	id := letterID{lane: lane}
	for i, number := range []*int64{&id.generation, &id.sequence, &id.messageTime}[:len(parts)-1] {
		if *number, err = strconv.ParseInt(parts[i+1], 10, 64); err != nil || *number <= 0 {
			return letterID{}, wrong
		}
	}
	return id, nil
}

// letter is a dead letter without what it holds.
type letter struct {
	letterID
	streamCreated int64
	orgToken      string
	code          messages.Code
	reason        string
	died          time.Time
	bytes         int
	redrives      int
	redrivenAt    *time.Time
	redrivenAs    *string
	ambiguous     bool
}

// id returns the shortest id that names the letter alone.
func (l *letter) id() letterID {
	id := l.letterID
	if !l.ambiguous {
		id.messageTime = 0
	}
	return id
}

// attempt returns the command id of the letter's nth redrive. It depends on
// nothing else, so that a redrive repeated after a crash is the same command.
func (l *letter) attempt(n int) string { return fmt.Sprintf("redrive:%s:%d", l.id(), n) }

func scanLetter(row pgx.CollectableRow) (l letter, err error) {
	var lane string
	err = row.Scan(&lane, &l.streamCreated, &l.generation, &l.sequence, &l.messageTime, &l.orgToken, &l.code, &l.reason, &l.died, &l.bytes,
		&l.redrives, &l.redrivenAt, &l.redrivenAs, &l.ambiguous)
	if err == nil {
		l.lane, err = messages.ParseLane(lane)
	}
	return l, err
}

// find returns the letters that are chosen. Every id must name one.
func (s *letterSelection) find(ctx context.Context, pool *pgxpool.Pool) ([]letter, error) {
	if len(s.IDs) > 0 {
		return lettersByID(ctx, pool, s.IDs)
	}
	var redriven *bool
	if !s.Every {
		redriven = &s.Redriven
	}
	var token *string
	if s.Org != "" {
		organization, err := messages.OrganizationFromHandle(s.Org)
		if err != nil {
			return nil, err
		}
		token = &organization.Token
	}
	since, err := parseMoment(s.Since, time.Now())
	if err != nil {
		return nil, err
	}
	until, err := parseMoment(s.Until, time.Now())
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, statement("letters"), orNull(s.Code), token, orNull(s.Lane), since, until, redriven)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	letters, err := pgx.CollectRows(rows, scanLetter)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return letters, nil
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func lettersByID(ctx context.Context, pool *pgxpool.Pool, texts []string) ([]letter, error) {
	n := len(texts)
	lanes, generations, sequences, times := make([]string, n), make([]int64, n), make([]int64, n), make([]int64, n)
	ids := make([]letterID, n)
	for i, text := range texts {
		id, err := parseLetterID(text)
		if err != nil {
			return nil, err
		}
		ids[i] = id
		lanes[i], generations[i], sequences[i], times[i] = id.lane.String(), id.generation, id.sequence, id.messageTime
	}
	rows, err := pool.Query(ctx, statement("letters_by_id"), lanes, generations, sequences, times)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	found, err := pgx.CollectRows(rows, scanLetter)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	var letters []letter
	var problems []error
	seen := map[letterID]bool{}
	for _, id := range ids {
		var named []letter
		for _, l := range found {
			known := slices.ContainsFunc(named, func(n letter) bool { return n.letterID == l.letterID && n.streamCreated == l.streamCreated })
			if !known && l.lane == id.lane && l.generation == id.generation && l.sequence == id.sequence && (id.messageTime == 0 || id.messageTime == l.messageTime) {
				named = append(named, l)
			}
		}
		switch {
		case len(named) == 0:
			problems = append(problems, fmt.Errorf("there is no dead letter %s: it was discarded, is past its retention, or never died", id))
		case len(named) > 1:
			problems = append(problems, errors.New(candidates(id, named)))
		case !seen[named[0].letterID]:
			seen[named[0].letterID] = true
			letters = append(letters, named[0])
		}
	}
	return letters, errors.Join(problems...)
}

// candidates lists the letters that an id does not tell apart.
func candidates(id letterID, named []letter) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s names %d dead letters, as can be after a restored backup; choose one:", id, len(named))
	for i := range named {
		fmt.Fprintf(&b, "\n  %s  died %s  %s  %s", named[i].letterID, moment(named[i].died), printable(handleOf(named[i].orgToken)), named[i].code)
	}
	return b.String()
}

// content is what a dead letter holds.
type content struct {
	subject string
	header  nats.Header
	body    []byte
	// redrives is how often it was redriven by the time this was read.
	redrives int
}

func (l *letter) content(ctx context.Context, pool *pgxpool.Pool) (content, error) {
	var c content
	var header []byte
	err := pool.QueryRow(ctx, statement("letter_content"), l.lane.String(), l.streamCreated, l.sequence, l.messageTime).
		Scan(&c.subject, &header, &c.body, &c.redrives)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, fmt.Errorf("dead letter %s is gone: somebody has discarded it", l.id())
	}
	if err != nil {
		return c, fmt.Errorf("dead letter %s: %w", l.id(), err)
	}
	c.header = parseHeader(header)
	return c, nil
}

// parseHeader reads headers as workers keep them: a line for each value, ended
// as on the wire.
func parseHeader(lines []byte) nats.Header {
	header := nats.Header{}
	for _, line := range strings.Split(string(lines), "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			header[name] = append(header[name], value)
		}
	}
	return header
}

// message is the letter as its stream had it.
func (l *letter) message(c content) messages.Message {
	return messages.Message{
		StreamCreated: time.Unix(0, l.streamCreated).UTC(), Time: time.Unix(0, l.messageTime).UTC(), Sequence: uint64(l.sequence),
		Subject: c.subject, Header: c.header, Body: c.body,
	}
}
