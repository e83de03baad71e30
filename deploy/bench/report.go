package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"connect-provider/deploy/bench/bed"
	"connect-provider/deploy/bench/design"
)

// comparison is the result of comparing, as --json prints it.
type comparison struct {
	Date     string  `json:"date"`
	Command  string  `json:"command"`
	Machine  machine `json:"machine"`
	Commands int     `json:"commands"`
	Rounds   int     `json:"rounds"`
	Designs  []row   `json:"designs"`
}

// row is one design's medians.
type row struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	// Rate is commands a second, Rates that of each round.
	Rate  float64   `json:"commands_per_second"`
	Rates []float64 `json:"rounds_commands_per_second"`
	// Processor time in microseconds a command; 0 where it can't be known.
	Client   float64 `json:"client_cpu_us"`
	NATS     float64 `json:"nats_cpu_us"`
	Postgres float64 `json:"postgres_cpu_us"`
}

func (c *comparison) add(d design.Design, runs []measured) {
	r := row{Name: d.Name, Title: d.Title}
	for _, run := range runs {
		r.Rates = append(r.Rates, run.rate(c.Commands))
	}
	r.Rate = median(r.Rates)
	cost := func(part func(bed.Usage) float64) float64 {
		var each []float64
		for _, run := range runs {
			each = append(each, 1e6*part(run.usage)/float64(c.Commands))
		}
		return median(each)
	}
	r.Client = cost(func(u bed.Usage) float64 { return u.Client })
	r.NATS = cost(func(u bed.Usage) float64 { return u.NATS })
	r.Postgres = cost(func(u bed.Usage) float64 { return u.Postgres })
	c.Designs = append(c.Designs, r)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func (c *comparison) print(out io.Writer, asJSON bool) error {
	if !asJSON {
		_, err := io.WriteString(out, c.markdown())
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(c)
}

// markdown is the table with what stands around it in the README.
func (c *comparison) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "`%s`, %s: medians of %d, %s commands each, every write synced. %s.\n\n", c.Command, c.Date, c.Rounds, thousands(float64(c.Commands)), c.Machine)
	b.WriteString("| Design | commands/s | worker, times as fast | CPU µs a command: client, NATS, Postgres |\n|---|--:|--:|--:|\n")
	for _, r := range c.Designs {
		fmt.Fprintf(&b, "| %s | %s | %s | %.0f, %.0f, %.0f |\n", r.Title, thousands(r.Rate), c.timesFaster(r), r.Client, r.NATS, r.Postgres)
	}
	return b.String()
}

// timesFaster says how many times as fast as a design the worker is: the median of
// what each round says, since the machine may have been faster in one.
func (c *comparison) timesFaster(than row) string {
	i := slices.IndexFunc(c.Designs, func(r row) bool { return r.Name == "worker" })
	if i < 0 || than.Name == "worker" {
		return ""
	}
	var ratios []float64
	for round, rate := range c.Designs[i].Rates {
		ratios = append(ratios, rate/than.Rates[round])
	}
	return fmt.Sprintf("%.*f×", precision(median(ratios)), median(ratios))
}

func precision(ratio float64) int {
	if ratio < 10 {
		return 2
	}
	return 0
}

// String names the machine as a sentence without its point.
func (m machine) String() string {
	text := fmt.Sprintf("%d cores (%s), Go %s, Postgres %s, NATS %s", m.Cores, m.Processor, m.Go, m.Postgres, m.NATS)
	for _, library := range compared {
		if version := m.Libraries[library]; version != "" {
			text += fmt.Sprintf(", %s %s", strings.TrimPrefix(library, "github.com/"), version)
		}
	}
	return text
}

// thousands writes a whole number with commas.
func thousands(value float64) string {
	digits := fmt.Sprintf("%.0f", value)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
