package attack

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"connect-provider/deploy/chaos/load"
)

// TestASeedDrawsTheSameAgain: the same commands, and as many attacks at the same
// moments.
func TestASeedDrawsTheSameAgain(t *testing.T) {
	draw := func() (plan string) {
		r := rand.New(rand.NewPCG(9, 1))
		p := load.NewPlatform(5)
		p.Grow(r, 20)
		s := load.NewSource(r, p)
		for _, k := range Kinds() {
			act := Draw(r, k, p, s, Options{Length: time.Second, Attacks: 8, Commands: 100, Lease: time.Second})
			plan += fmt.Sprintln(act.Name, act.Burst, act.Pause, act.Settings, act.Steady, len(act.Attacks))
			for _, a := range act.Attacks {
				plan += fmt.Sprintln(a.After)
			}
			for _, c := range act.Commands {
				plan += fmt.Sprintf("%s %s\n", c.Subject, c.Body)
			}
		}
		return plan
	}
	if first, second := draw(), draw(); first != second {
		t.Fatal("two draws from one seed differ")
	}
}
