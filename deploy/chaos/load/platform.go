package load

import (
	"fmt"
	"math/rand/v2"
)

// Every organization has these configurations.
const (
	firstTwilio  = 1
	secondTwilio = 2
	plivo        = 3
	inactive     = 4
	nobodys      = 77 // no configuration
)

const (
	bridgesEach = 6
	unknownSlug = "no-such-bridge"
	// poisonDigits begin the numbers whose connections the database refuses.
	poisonDigits = "+1900"
)

// Constraint is one that no version of the worker knows of: a number that begins
// with +1900 can't be connected. Commands that would connect one break their
// batch.
const Constraint = "unwritable"

const addConstraint = `alter table connect_provider.connections add constraint ` + Constraint + ` check (phone_number not like '` + poisonDigits + `%')`

// Platform is the platform's side, as its tables have it.
type Platform struct {
	Organizations map[string]*Organization // by handle
	Numbers       map[string]Number        // by E.164
	// Handles are the organizations', and Known the numbers', in the order in
	// which they were made.
	Handles []string
	Known   []string
}

// Organization is one organization with what it owns, save for its numbers.
type Organization struct {
	OneProviderPerBridge bool
	Bridges              map[string]bool
	Configurations       map[int64]Configuration
	slugs                []string
	numbers              []string // those that it has owned
}

// Configuration is a provider configuration.
type Configuration struct {
	Provider string
	Active   bool
}

// Number is a phone number as the platform has it.
type Number struct {
	Handle        string
	Configuration int64
	Active        bool
	// Broken says that the database takes no connection of it.
	Broken bool
}

// NewPlatform makes organizations, half of which allow one provider a bridge,
// with bridges and configurations, and no numbers yet.
func NewPlatform(organizations int) *Platform {
	p := &Platform{Organizations: map[string]*Organization{}, Numbers: map[string]Number{}}
	for i := range organizations {
		handle := fmt.Sprintf("org-%d", i)
		if i%3 == 0 {
			handle += ".example" // its token is not its handle
		}
		o := &Organization{OneProviderPerBridge: i%2 == 0, Bridges: map[string]bool{}, Configurations: map[int64]Configuration{
			firstTwilio: {"twilio", true}, secondTwilio: {"twilio", true}, plivo: {"plivo", true}, inactive: {"telnyx", false},
		}}
		for b := range bridgesEach {
			slug := fmt.Sprintf("bridge-%d", b)
			o.Bridges[slug] = true
			o.slugs = append(o.slugs, slug)
		}
		p.Organizations[handle] = o
		p.Handles = append(p.Handles, handle)
	}
	return p
}

// Change is a number that the platform has got, or links to something else.
type Change struct {
	Phone string
	Number
}

// Grow gives each organization new numbers, and moves some old ones: to another
// configuration, out of use and back, to another organization. It returns what
// has changed. Nobody may be deciding meanwhile: which of the two states a
// command met could not be known.
func (p *Platform) Grow(r *rand.Rand, each int) []Change {
	var changes []Change
	for range len(p.Known) / 20 {
		phone := p.Known[r.IntN(len(p.Known))]
		n := p.Numbers[phone]
		switch r.IntN(8) {
		case 0:
			n.Active = !n.Active
		case 1:
			n.Handle = p.Handles[r.IntN(len(p.Handles))]
			p.Organizations[n.Handle].numbers = append(p.Organizations[n.Handle].numbers, phone)
		default:
			n.Configuration = int64(firstTwilio + r.IntN(3))
		}
		changes = append(changes, Change{phone, n})
		p.Numbers[phone] = n
	}
	for _, handle := range p.Handles {
		o := p.Organizations[handle]
		for range each {
			n := Number{Handle: handle, Configuration: firstTwilio, Active: r.IntN(40) > 0}
			if r.IntN(6) == 0 {
				n.Configuration = plivo
			}
			phone := fmt.Sprintf("+1555%07d", len(p.Known))
			if r.IntN(60) == 0 {
				phone, n.Broken = fmt.Sprintf("%s%07d", poisonDigits, len(p.Known)), true
			}
			p.Numbers[phone] = n
			p.Known = append(p.Known, phone)
			o.numbers = append(o.numbers, phone)
			changes = append(changes, Change{phone, n})
		}
	}
	return changes
}
