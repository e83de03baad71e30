package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"connect-provider/deploy/chaos/attack"
)

const description = `Attacks a system on this machine and judges what is left.

Exit codes: 0 everything is as it must be, 1 the attack itself could not be carried out, 2 wrong command line, 3 something is wrong, or a planted defect was not caught.`

// options are the command line.
type options struct {
	Seed     uint64        `help:"Where randomness begins; 0: anywhere. It is printed."`
	Duration time.Duration `default:"2m" help:"How long to go on, and then to the end of an act."`
	Acts     string        `placeholder:"NAME,…" help:"Which kinds of acts (all): ${acts}. With --defects: for each the kinds that it is expected to show in, unless given; all: every kind."`
	Rounds   int           `help:"Go on until each kind of act was played so often."`
	Commands int           `help:"Go on until so many commands were judged."`
	Kills    int           `help:"Go on until there were so many kills of workers, NATS and Postgres."`
	Pauses   int           `help:"Go on until so many workers were paused for three leases."`
	Commits  int           `help:"Go on until so many batches had their connection cut during COMMIT, and found out what became of it."`

	CommandsPerAct int           `default:"1500" help:"Commands in an act."`
	Attacks        int           `default:"8" help:"Attacks in an act, about."`
	Length         time.Duration `default:"5s" help:"How long attacks may begin in an act."`
	Organizations  int           `default:"12" help:"Organizations."`
	Workers        int           `default:"3" help:"Worker processes."`
	Gateways       int           `default:"2" help:"Gateway processes."`
	Lanes          int           `default:"8" help:"Lanes of each class."`
	Lease          time.Duration `default:"2s" help:"The workers' lease time."`

	Binary string `placeholder:"FILE" help:"The connect-provider program to attack; it is built from this directory's module unless given."`
	Keep   string `placeholder:"DIR" help:"Keep logs and data in this directory."`
	Quiet  bool   `short:"q" help:"Say what was found, not what is done."`

	Defects string `placeholder:"NAME,…" help:"Judge the judge: plant these defects (all: each there is), one after another, and see that each is caught."`
	Seeds   int    `default:"5" help:"With --defects: how many seeds a defect may take."`
}

// acts tells what kinds of acts there are.
func (options) acts() string {
	var names []string
	for _, k := range attack.Kinds() {
		names = append(names, fmt.Sprintf("%s (%s)", k.Name, k.About))
	}
	return strings.Join(names, ", ")
}

// kinds returns the kinds of acts to play.
func (o *options) kinds() ([]attack.Kind, error) {
	if o.Acts == "" || o.Acts == "all" {
		return attack.Kinds(), nil
	}
	return attack.Find(o.Acts)
}

func (o *options) check() error {
	if o.Seed == 0 {
		var b [4]byte
		if _, err := rand.Read(b[:]); err != nil {
			return err
		}
		o.Seed = uint64(binary.BigEndian.Uint32(b[:]))
	}
	if o.Defects != "" && o.Binary != "" {
		return errors.New("--defects builds its own programs: leave --binary out")
	}
	for name, n := range map[string]int{"commands-per-act": o.CommandsPerAct, "organizations": o.Organizations, "workers": o.Workers, "gateways": o.Gateways, "lanes": o.Lanes, "seeds": o.Seeds} {
		if n < 1 {
			return fmt.Errorf("--%s %d: give at least 1", name, n)
		}
	}
	if o.Attacks < 0 || o.Length <= 0 {
		return fmt.Errorf("--attacks %d, --length %s: give at least 0, and more than 0", o.Attacks, o.Length)
	}
	if o.Lease < time.Second {
		return fmt.Errorf("--lease %s: the service takes a second or more", o.Lease)
	}
	_, err := o.kinds()
	return err
}
