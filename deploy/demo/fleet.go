package demo

import (
	"context"
	_ "embed"
	"fmt"

	"connect-provider/messages"
)

//go:embed fleet.sql
var fleetSQL string

//go:embed fleet_numbers.sql
var fleetNumbersSQL string

// bridgesEach is how many bridges an organization of the fleet has.
const bridgesEach = 20

// Fleet is a number of made-up organizations that own the numbers between them.
type Fleet struct {
	Organizations int // at most 10,000
	Numbers       int
}

// Load makes the fleet in a migrated database. What exists already is left as
// it is.
func (f Fleet) Load(ctx context.Context, db Database) error {
	if _, err := db.Exec(ctx, fleetSQL, f.Organizations); err != nil {
		return fmt.Errorf("load the fleet: %w", err)
	}
	if _, err := db.Exec(ctx, fleetNumbersSQL, f.Organizations, f.Numbers); err != nil {
		return fmt.Errorf("load the fleet's numbers: %w", err)
	}
	return nil
}

// Command returns the handle of the organization that owns number n, and the
// command that connects the number. It succeeds, for every n from 0 to
// f.Numbers-1, in any order. The command has no id.
func (f Fleet) Command(n int) (handle string, command messages.Command) {
	return fmt.Sprintf("fleet-%04d", n%f.Organizations), messages.Command{
		BridgeSlug:       fmt.Sprintf("bridge-%02d", n/f.Organizations%bridgesEach),
		ProviderConfigID: 1,
		PhoneNumber:      fmt.Sprintf("+999%09d", n),
	}
}
