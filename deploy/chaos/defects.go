package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"connect-provider/deploy/chaos/defect"
)

// verdict is what became of one defect.
type verdict struct {
	defect defect.Defect
	seeds  int           // that were tried
	took   time.Duration // of all tries, builds left out
	act    string        // that caught it, "" if none did
	kinds  string        // of the findings
	first  string        // finding
	acts   string        // kinds that were played
}

// judgeTheJudge plants defects, one after another, and attacks each with one
// seed after another until it is caught.
func judgeTheJudge(ctx context.Context, o options, stdout, stderr io.Writer) error {
	defects, err := defect.Find(o.Defects)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	var verdicts []verdict
	missed := 0
	for _, d := range defects {
		fmt.Fprintf(stderr, "%s: %s\n", d.Name, d.Breaks)
		v, err := plant(ctx, d, o, stderr)
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			fmt.Fprintf(stderr, "%s: the attack failed: %v\n", d.Name, err)
		}
		verdicts = append(verdicts, v)
		if v.act == "" {
			missed++
		}
		fmt.Fprintf(stderr, "%d of %d: %s\n", len(verdicts), len(defects), v)
	}
	table(stdout, verdicts)
	if missed > 0 {
		return fmt.Errorf("%w: %d of %d planted defects were not caught", errFound, missed, len(defects))
	}
	return nil
}

// plant attacks a build with a defect, seed after seed.
func plant(ctx context.Context, d defect.Defect, o options, progress io.Writer) (v verdict, err error) {
	v.defect = d
	o.Acts = cmp.Or(o.Acts, d.Acts)
	v.acts = o.Acts
	for v.seeds < o.Seeds && v.act == "" {
		if err := plantOnce(ctx, d, o, &v, progress); err != nil {
			return v, err
		}
		o.Seed++
	}
	return v, nil
}

func plantOnce(ctx context.Context, d defect.Defect, o options, v *verdict, progress io.Writer) (err error) {
	dir, remove, err := workingDir(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	sources := filepath.Join(dir, "defect")
	if err := os.MkdirAll(sources, 0o755); err != nil {
		return err
	}
	overlay, err := d.Overlay(".", sources)
	if err != nil {
		return err
	}
	o.Binary = filepath.Join(dir, "connect-provider")
	if err := build(ctx, o.Binary, overlay); err != nil {
		return err
	}
	if o.Quiet {
		progress = io.Discard
	}
	r, err := attackWith(ctx, o, dir, progress)
	v.seeds++
	v.took += r.took
	if len(r.findings) == 0 {
		return err
	}
	v.act, v.first = r.act, r.findings[0].String()
	kinds := map[string]int{}
	for _, f := range r.findings {
		kinds[string(f.Kind)]++
	}
	v.kinds = list(kinds)
	fmt.Fprintf(progress, "%s\n", r.story)
	// one that hangs must not be taken for a failed attack
	return nil
}

func (v verdict) String() string {
	if v.act == "" {
		return fmt.Sprintf("%s was NOT CAUGHT by %d seeds in %s", v.defect.Name, v.seeds, v.took.Round(time.Second))
	}
	return fmt.Sprintf("%s was caught in %s of seed %d, after %s: %s\n  %s", v.defect.Name, v.act, v.seeds, v.took.Round(time.Second), v.kinds, v.first)
}

// table prints the verdicts.
func table(out io.Writer, verdicts []verdict) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "defect\tcaught in\tseeds\tseconds\tfindings\tof acts")
	for _, v := range verdicts {
		act := cmp.Or(v.act, "NOT CAUGHT")
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\n", v.defect.Name, act, v.seeds, int(v.took.Round(time.Second).Seconds()), v.kinds, v.acts)
	}
	_ = w.Flush() // to where the lines before went
}
