package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"connect-provider/cmd/internal/bench"
)

// benchText tells people what was found: of several rounds the one in the middle.
type benchText struct{ *bench.Report }

func (r benchText) write(w io.Writer) {
	fmt.Fprintf(w, "%s, %s class, %d %s; %s\n", r.Mode, r.Class, r.Organizations, plural(r.Organizations, "organization", "organizations"), r.what())
	fmt.Fprintf(w, "Durability: %s\n", r.Durability)
	for _, off := range r.Durability.Off() {
		fmt.Fprintf(w, "NOT COMPARABLE: %s. What was written could be lost with the machine's power, so no throughput is told.\n", off)
	}
	switch {
	case len(r.Runs) == 0:
	case r.Mode == bench.Latency:
		r.writeLatencies(w)
	default:
		r.writeThroughput(w)
	}
	tellStays(w, r.Report)
}

// what names the system and the machine.
func (r benchText) what() string {
	system := "a system that runs elsewhere"
	if r.System.Embedded {
		system = fmt.Sprintf("an embedded system with %d %s", r.System.Workers, plural(r.System.Workers, "worker", "workers"))
	}
	return fmt.Sprintf("%s, PostgreSQL %s, NATS %s; measured on %s/%s with %d CPUs", system, r.System.Postgres, r.System.NATS, r.Machine.OS, r.Machine.Architecture, r.Machine.CPUs)
}

func (r benchText) writeThroughput(w io.Writer) {
	run := r.Median()
	fmt.Fprintln(w)
	if r.Comparable {
		fmt.Fprintf(w, "%s commands/s", count(int(run.CommandsPerSecond)))
		if len(r.Runs) > 1 {
			fmt.Fprintf(w, ", the median of %s", strings.Join(r.throughputs(), ", "))
		}
		fmt.Fprintln(w)
	}
	switch r.Mode {
	case bench.Throughput:
		fmt.Fprintf(w, "%s commands (%s failing) that were in the stream already, published in %s: all outcomes in the events stream after %s, the first one after %s\n",
			count(run.Commands), count(run.Failed), seconds(run.PublishSeconds), seconds(run.Seconds), seconds(run.FirstOutcomeSeconds))
	default:
		fmt.Fprintf(w, "%s commands (%s failing): all published after %s, all outcomes in the events stream after %s\n",
			count(run.Commands), count(run.Failed), seconds(run.PublishSeconds), seconds(run.Seconds))
	}
	fmt.Fprintln(w)
	writeBenchTable(w, "LATENCY\tP50\tP90\tP99\tP99.9\tMAX", []string{"accepted to outcome\t" + percentileCells(run.Latency)})
	writeBenchDetails(w, run)
}

// throughputs are those of all rounds, in their order.
func (r benchText) throughputs() []string {
	var rounds []string
	for _, run := range r.Runs {
		rounds = append(rounds, count(int(run.CommandsPerSecond)))
	}
	return rounds
}

func (r benchText) writeLatencies(w io.Writer) {
	var rows []string
	for _, run := range r.Runs {
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s", run.Name(), count(run.Commands), percentileCells(run.Latency)))
	}
	fmt.Fprintln(w)
	writeBenchTable(w, "PUBLISHING TO HAVING THE OUTCOME\tCOMMANDS\tP50\tP90\tP99\tP99.9\tMAX", rows)
	for _, run := range r.Runs {
		fmt.Fprintf(w, "\n%s:\n", run.Name())
		writeBenchDetails(w, run)
	}
}

func percentileCells(p *bench.Percentiles) string {
	return strings.Join([]string{benchTime(p.P50), benchTime(p.P90), benchTime(p.P99), benchTime(p.P999), benchTime(p.Max)}, "\t")
}

// writeDetails tells what the run took, and where the time went.
func writeBenchDetails(w io.Writer, r *bench.Run) {
	fmt.Fprintln(w)
	var rows []string
	for _, usage := range r.Processes {
		cpu, each, memory := "not known", "", "not known"
		if usage.CPUSeconds != nil {
			cpu, each = fmt.Sprintf("%.2f s", *usage.CPUSeconds), fmt.Sprintf("%.1f µs", *usage.CPUSeconds/float64(r.Commands)*1e6)
		}
		if usage.PeakMemory != nil {
			memory = fmt.Sprintf("%d MB", (*usage.PeakMemory+1<<19)>>20)
		}
		rows = append(rows, strings.Join([]string{usage.Process, cpu, each, memory}, "\t"))
	}
	writeBenchTable(w, "PROCESS\tCPU\tPER COMMAND\tPEAK MEMORY", rows)
	if r.Batches == nil {
		fmt.Fprintln(w, "\nBatches and stages are not known: give the workers' --metrics-url.")
	} else {
		writeBenchStages(w, r)
	}
	if r.WALPerCommand != nil {
		fmt.Fprintf(w, "\nWAL: %s bytes a command\n", count(int(*r.WALPerCommand)))
	}
}

func writeBenchStages(w io.Writer, r *bench.Run) {
	fmt.Fprintf(w, "\nBatches: %s transactions of %.1f commands, p50 %.0f, p90 %.0f\n\n", count(r.Batches.Count), r.Batches.Mean, r.Batches.P50, r.Batches.P90)
	var rows []string
	for _, s := range r.Stages {
		rows = append(rows, fmt.Sprintf("%s\t%.2f s\t%.2f µs\t%s\t%s\t%s", s.Stage, s.Seconds, s.PerCommand, benchTime(s.Mean), benchEstimate(s.P50), benchEstimate(s.P99)))
	}
	writeBenchTable(w, "STAGE\tTOTAL\tPER COMMAND\tMEAN OF A BATCH\tP50\tP99", rows)
}

// writeBenchTable aligns all columns but the first to the right.
func writeBenchTable(w io.Writer, head string, rows []string) {
	first := 0
	for _, row := range append(slices.Clone(rows), head) {
		name, _, _ := strings.Cut(row, "\t")
		first = max(first, len([]rune(name)))
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range append([]string{head}, rows...) {
		name, rest, _ := strings.Cut(row, "\t")
		fmt.Fprintf(table, "%-*s\t%s\t\n", first, name, rest)
	}
	_ = table.Flush() // what can't be printed is not missed
}

func seconds(s float64) string { return fmt.Sprintf("%.2f s", s) }

// benchTime writes milliseconds with three digits.
func benchTime(ms float64) string {
	switch {
	case ms >= 100_000:
		return fmt.Sprintf("%.0f s", ms/1e3)
	case ms >= 10_000:
		return fmt.Sprintf("%.1f s", ms/1e3)
	case ms >= 1000:
		return fmt.Sprintf("%.2f s", ms/1e3)
	case ms >= 100:
		return fmt.Sprintf("%.0f ms", ms)
	case ms >= 10:
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.2f ms", ms)
}

// benchEstimate writes a quantile of a stage.
func benchEstimate(ms float64) string {
	if ms <= bench.LeastStage {
		return fmt.Sprintf("< %g ms", bench.LeastStage)
	}
	return benchTime(ms)
}

// tellStays tells what a benchmark that has failed could not remove.
func tellStays(w io.Writer, r *bench.Report) {
	if r == nil {
		return
	}
	for _, left := range r.Stays {
		fmt.Fprintf(w, "Stays: %s\n", left)
	}
}
