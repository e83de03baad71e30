package onboard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"connect-provider/messages"
)

// DryRun tells what would become of a file's rows now. It publishes nothing and
// writes no files.
//
// Rows are asked about in the file's order, a couple of thousand at a time. What
// the workers decide about those of one question, they decide one after another;
// of earlier ones they are told what those would have changed. So numbers that
// occur once need not be remembered: of those that come again, and of bridges on
// which something would change, it is kept.
type DryRun struct {
	options  Options
	platform Platform
	input    *Input
	survey   Survey
	counts   Counts
	maxBytes int // of a question

	repeated map[uint64]bool         // hashes of numbers and of given ids that occur more than once
	numbers  map[string]*numberSaid  // what earlier rows would have done to such a number
	ids      map[string]*saidID      // what earlier rows under such an id were
	bridges  map[bridgeProvider]int  // by how many numbers it would have grown
	at       map[bridgeName][]string // the providers of which that is known
}

type bridgeName struct{ token, slug string }

type bridgeProvider struct {
	bridgeName
	provider string
}

// numberSaid is where a number would be.
type numberSaid struct {
	assumed messages.AssumedConnection
	token   string
}

// saidID is the row that had an id first, and what would become of it.
type saidID struct {
	key     rowKey
	outcome *outcome
}

// NewDryRun prepares a dry run. A question takes up to maxBytes.
func NewDryRun(input *Input, survey Survey, platform Platform, maxBytes int64, options Options) *DryRun {
	return &DryRun{
		options: options, platform: platform, input: input, survey: survey, maxBytes: int(maxBytes),
		counts:   Counts{Rows: survey.Rows, Codes: map[messages.Code]int64{}},
		repeated: map[uint64]bool{}, numbers: map[string]*numberSaid{}, ids: map[string]*saidID{},
		bridges: map[bridgeProvider]int{}, at: map[bridgeName][]string{},
	}
}

// guess is a row with what would become of it.
type guess struct {
	record  Record
	row     row
	attempt int
	known   *outcome // of an earlier attempt
	outcome *outcome
	key     rowKey
}

// Do asks about every row and writes those that would fail, or all, with what
// would become of them. tell is called now and then.
func (d *DryRun) Do(ctx context.Context, to io.Writer, form Form, all bool, tell func(Counts)) error {
	if err := d.findRepeated(); err != nil {
		return err
	}
	writer, err := newRowWriter(to, d.input, form, all)
	if err != nil {
		return err
	}
	rows, err := d.input.rows()
	if err != nil {
		return err
	}
	for end := false; !end; {
		var chunk []*guess
		if chunk, end, err = d.readChunk(rows); err != nil {
			return err
		}
		if err := d.decide(ctx, chunk); err != nil {
			return err
		}
		for _, g := range chunk {
			d.counts.count(g.outcome)
			if !all && g.outcome.failure == nil {
				continue
			}
			id := ""
			if g.row.id != "" {
				id = attemptID(g.row.id, g.attempt)
			}
			if err := writer.write(&g.record, g.outcome, id); err != nil {
				return err
			}
		}
		tell(d.counts)
	}
	return writer.flush()
}

// Counts are those of the rows that were asked about.
func (d *DryRun) Counts() Counts { return d.counts }

const (
	// hashesAtOnce bounds the memory for finding what is repeated: larger files
	// are read several times for it.
	hashesAtOnce = 4 << 20
	chunkBytes   = 4 << 20
)

// findRepeated finds the numbers and given ids that occur more than once.
func (d *DryRun) findRepeated() error {
	passes := uint64(d.survey.Rows/(hashesAtOnce/2) + 1)
	hashes := make([]uint64, 0, min(2*d.survey.Rows, hashesAtOnce))
	for pass := range passes {
		rows, err := d.input.rows()
		if err != nil {
			return err
		}
		hashes = hashes[:0]
		see := func(hash uint64) {
			if hash%passes == pass {
				hashes = append(hashes, hash)
			}
		}
		for {
			record, err := rows.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			see(hashOf("number", record.values[phoneNumber]))
			if id := record.values[commandID]; id != "" {
				see(hashOf("id", id))
			}
		}
		slices.Sort(hashes)
		for i := 1; i < len(hashes); i++ {
			if hashes[i] == hashes[i-1] {
				d.repeated[hashes[i]] = true
			}
		}
	}
	return nil
}

func hashOf(kind, text string) uint64 {
	sum := digest(kind, text)
	hash := uint64(0)
	for _, b := range sum[:8] {
		hash = hash<<8 | uint64(b)
	}
	return hash
}

// readChunk reads rows for a question.
func (d *DryRun) readChunk(rows rowReader) (chunk []*guess, end bool, err error) {
	size := 0
	for len(chunk) < messages.MaxPreviews && size < chunkBytes {
		record, err := rows.next()
		if errors.Is(err, io.EOF) {
			return chunk, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		g := &guess{record: *record, attempt: 1}
		g.record.cells, g.record.line = slices.Clone(record.cells), slices.Clone(record.line)
		for _, cell := range record.cells {
			size += len(cell)
		}
		size += len(record.line)
		made, failure := d.options.Job.row(record)
		if failure != nil {
			g.outcome = &outcome{failure: failure, own: true}
		} else {
			g.row = made
		}
		chunk = append(chunk, g)
	}
	return chunk, false, nil
}

// decide finds out what would become of a chunk's rows: first what is decided
// already, then what would be.
func (d *DryRun) decide(ctx context.Context, chunk []*guess) error {
	groups := map[messages.Organization][]*guess{}
	for _, g := range chunk {
		if g.outcome == nil {
			groups[g.row.organization] = append(groups[g.row.organization], g)
		}
	}
	for organization, guesses := range groups {
		for rest := guesses; len(rest) > 0; {
			next, err := d.lookUp(ctx, organization, rest)
			if err != nil {
				return err
			}
			rest = next
		}
		for rest := guesses; len(rest) > 0; {
			asked, err := d.ask(ctx, organization, rest)
			if err != nil {
				return err
			}
			rest = rest[asked:]
		}
	}
	return nil
}

// lookUp asks what is decided already, and returns the rows of which the next
// attempt is to be asked for.
func (d *DryRun) lookUp(ctx context.Context, organization messages.Organization, guesses []*guess) (next []*guess, err error) {
	ids := make([]string, len(guesses))
	for i, g := range guesses {
		ids[i] = attemptID(g.row.id, g.attempt)
	}
	answer, err := askAgain(ctx, func() (messages.OutcomesAnswer, error) { return d.platform.Ask(ctx, organization, ids) })
	if err != nil {
		return nil, err
	}
	decided := decidedByID(&answer)
	for i, g := range guesses {
		known, ok := decided[ids[i]]
		switch {
		case !ok && g.known != nil && !d.options.RetryFailed:
			g.attempt--
			g.outcome = g.known
		case !ok:
		case !g.row.says(&known.Data):
			g.outcome = &outcome{failure: reused(), own: true}
		default:
			o := &outcome{failure: known.Data.Error, changed: known.Data.Changed, earlier: true, decidedAt: known.DecidedAt}
			if o.failure == nil {
				g.outcome = o
				continue
			}
			g.known = o
			g.attempt++
			next = append(next, g)
		}
	}
	return next, nil
}

// ask asks what would come of the first rows that have no outcome yet, and
// returns how many rows it has dealt with.
func (d *DryRun) ask(ctx context.Context, organization messages.Organization, guesses []*guess) (int, error) {
	q, asked, dealt, err := d.question(organization, guesses)
	if err != nil || len(asked) == 0 {
		return dealt, err
	}
	answer, err := askAgain(ctx, func() (messages.PreviewAnswer, error) { return d.platform.Preview(ctx, organization, q) })
	if err != nil {
		return 0, err
	}
	for i, p := range answer.Previews {
		d.foresee(organization, asked[i], p)
	}
	if n := len(answer.Previews); n < len(asked) {
		return slices.Index(guesses, asked[n]), nil
	}
	return dealt, nil
}

// question asks about as many rows as have room, and says what rows of earlier
// questions would have changed.
func (d *DryRun) question(organization messages.Organization, guesses []*guess) (q messages.PreviewRequest, asked []*guess, dealt int, err error) {
	size := 0
	numbers, bridges := map[string]bool{}, map[string]bool{} // of which it was said
	for _, g := range guesses {
		if g.outcome == nil && d.fromTheFile(g) || g.outcome != nil {
			dealt++
			continue
		}
		body, err := d.options.Job.attempt(&g.row, g.attempt)
		if err != nil {
			return q, nil, 0, err
		}
		more := len(body) + 1
		said := d.numbers[organization.Token+" "+g.row.phone]
		if numbers[g.row.phone] {
			said = nil // it was said
		}
		name := bridgeName{organization.Token, g.row.bridge}
		if said != nil {
			more += 200 + len(said.assumed.BridgeSlug) + len(said.assumed.Provider)
		}
		if !bridges[g.row.bridge] {
			more += len(d.at[name]) * (100 + 2*len(g.row.bridge))
		}
		// the answer needs room as well
		if size += more; size > d.maxBytes/2 && len(asked) > 0 {
			break
		}
		if said != nil {
			q.Connections = append(q.Connections, said.assumed)
		}
		if !bridges[g.row.bridge] {
			for _, provider := range d.at[name] {
				if n := d.bridges[bridgeProvider{name, provider}]; n != 0 {
					q.Bridges = append(q.Bridges, messages.AssumedBridge{BridgeSlug: g.row.bridge, Provider: provider, Numbers: n})
				}
			}
		}
		numbers[g.row.phone], bridges[g.row.bridge] = true, true
		q.Commands, asked = append(q.Commands, body), append(asked, g)
		dealt++
	}
	return q, asked, dealt, nil
}

// fromTheFile reports whether an earlier row had the row's id, which settles it.
func (d *DryRun) fromTheFile(g *guess) bool {
	g.key = keyOf(g.row.organization.Token, attemptID(g.row.id, g.attempt), g.row.bridge, g.row.config, g.row.phone)
	said := d.ids[g.row.organization.Token+" "+attemptID(g.row.id, g.attempt)]
	switch {
	case said == nil:
		return false
	case said.key == g.key:
		g.outcome = said.outcome
		d.counts.Repeated++
	default:
		g.outcome = &outcome{failure: reused(), own: true}
	}
	return true
}

func (d *DryRun) isRepeated(kind, text string) bool { return d.repeated[hashOf(kind, text)] }

// foresee notes what would become of a row, and what it would change.
func (d *DryRun) foresee(organization messages.Organization, g *guess, p messages.Preview) {
	if p.Decided {
		if !d.fromTheFile(g) {
			// between the two questions
			g.outcome = &outcome{earlier: true}
		}
		return
	}
	o := &outcome{failure: p.Error, changed: p.Changed}
	g.outcome = o
	if d.isRepeated("number", g.row.phone) || g.row.given && d.isRepeated("id", g.row.id) {
		// the first one has the id
		if id := organization.Token + " " + attemptID(g.row.id, g.attempt); d.ids[id] == nil {
			d.ids[id] = &saidID{key: g.key, outcome: o}
		}
	}
	if o.failure != nil || !o.changed {
		return
	}
	bridge := strings.Clone(g.row.bridge)
	if d.isRepeated("number", g.row.phone) {
		d.numbers[organization.Token+" "+g.row.phone] = &numberSaid{token: organization.Token, assumed: messages.AssumedConnection{
			PhoneNumber: g.row.phone, BridgeSlug: bridge, ProviderConfigID: g.row.config, Provider: p.Provider,
		}}
	}
	d.grow(bridgeName{organization.Token, bridge}, p.Provider, 1)
	if p.PreviousProvider != "" {
		d.grow(bridgeName{organization.Token, bridge}, p.PreviousProvider, -1)
	}
}

func (d *DryRun) grow(name bridgeName, provider string, by int) {
	if !slices.Contains(d.at[name], provider) {
		d.at[name] = append(d.at[name], provider)
	}
	d.bridges[bridgeProvider{name, provider}] += by
}

// askAgain asks until there is an answer, or none is to be expected.
func askAgain[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	pause := newBackOff()
	for begin := time.Now(); ; {
		answer, err := ask()
		if err == nil || hopeless(err) || ctx.Err() != nil {
			return answer, err
		}
		if time.Since(begin) > patience {
			return answer, fmt.Errorf("no answer within %s: %w", patience, err)
		}
		if !rest(ctx, ctx, pause.NextBackOff()) {
			return answer, ctx.Err()
		}
	}
}

// patience is how long a question may be asked again: nobody loses anything when
// a dry run gives up.
const patience = 30 * time.Second
