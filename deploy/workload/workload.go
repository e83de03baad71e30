package workload

import (
	"fmt"
	"regexp"
	"strconv"

	"connect-provider/messages"
)

// Workload says how many commands there are, and of whom. None of its numbers
// may change between Load and Remove.
type Workload struct {
	// Prefix begins the handles ("<prefix>-<n>") and the command ids. Letters,
	// digits, '_' and '-' only.
	Prefix string
	// Numbering begins the phone numbers, eight digits follow: a plus sign and 1
	// to 7 digits, such as +999, a country code that nobody has.
	Numbering string

	Organizations int
	Bridges       int // of one organization
	Numbers       int // of one bridge
	// UnknownEvery says that the last of so many commands names an unknown
	// bridge: 50 makes that 2% of them. 0 is none.
	UnknownEvery int
}

// Hundred is the workload of the README's measurements: 100,000 commands of 100
// organizations, 2% of which fail.
func Hundred() Workload {
	return Workload{Prefix: "load", Numbering: "+999", Organizations: 100, Bridges: 200, Numbers: 5, UnknownEvery: 50}
}

// UnknownBridge is the slug of a bridge that no organization has.
const UnknownBridge = "unknown"

const maxCommands = 100_000_000 // eight digits

var (
	validPrefix    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	validNumbering = regexp.MustCompile(`^\+[1-9][0-9]{0,6}$`)
)

// Validate reports the first member that makes no sense.
func (w Workload) Validate() error {
	switch {
	case !validPrefix.MatchString(w.Prefix):
		return fmt.Errorf("workload: prefix %q is not 1 to 32 letters, digits, '_' and '-'", w.Prefix)
	case !validNumbering.MatchString(w.Numbering):
		return fmt.Errorf("workload: numbering %q is not a plus sign, a digit from 1 to 9 and up to 6 more digits", w.Numbering)
	case w.Organizations < 1 || w.Bridges < 1 || w.Numbers < 1 || w.UnknownEvery < 0:
		return fmt.Errorf("workload: %d organizations, %d bridges, %d numbers, one in %d unknown", w.Organizations, w.Bridges, w.Numbers, w.UnknownEvery)
	case w.Commands() > maxCommands:
		return fmt.Errorf("workload: %d commands, at most %d fit the numbers' digits", w.Commands(), maxCommands)
	}
	return nil
}

// Commands is how many there are: one for each number.
func (w Workload) Commands() int { return w.Organizations * w.Bridges * w.Numbers }

// Unknown is how many of the first n commands name an unknown bridge.
func (w Workload) Unknown(n int) int {
	if w.UnknownEvery == 0 {
		return 0
	}
	return n / w.UnknownEvery
}

// Command returns command n, from 0 to Commands()-1, and whose it is. Commands
// that follow each other are of different organizations; each may come before any
// other.
func (w Workload) Command(n int) (messages.Organization, messages.Command) {
	bridge := "bridge-" + strconv.Itoa(n/w.Organizations%w.Bridges)
	if w.UnknownEvery > 0 && n%w.UnknownEvery == w.UnknownEvery-1 {
		bridge = UnknownBridge
	}
	return w.Organization(n % w.Organizations), messages.Command{
		ID:               w.Prefix + ":" + strconv.Itoa(n),
		BridgeSlug:       bridge,
		ProviderConfigID: 1,
		PhoneNumber:      w.Number(n),
	}
}

// Organization returns one of the workload's, from 0 to Organizations-1.
func (w Workload) Organization(n int) messages.Organization {
	handle := w.Prefix + "-" + strconv.Itoa(n)
	return messages.Organization{Token: handle, Handle: handle}
}

// Number is the phone number of command n, in E.164.
func (w Workload) Number(n int) string { return fmt.Sprintf("%s%08d", w.Numbering, n) }

func (w Workload) handles() []string {
	handles := make([]string, w.Organizations)
	for n := range handles {
		handles[n] = w.Organization(n).Handle
	}
	return handles
}
