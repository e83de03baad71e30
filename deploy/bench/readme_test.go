package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadmeGetsTheTable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "README.md")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("before\n" + markBegin + "\nold\n" + markEnd + "\nafter\n")
	c := comparison{Date: "2026-11-28", Command: "go run .", Commands: 100000, Rounds: 2}
	c.Designs = []row{
		{Name: "floor", Title: "the floor", Rates: []float64{30000, 10000}, Rate: 20000},
		{Name: "worker", Title: "the worker", Rates: []float64{24000, 9000}, Rate: 16500},
		{Name: "slow", Title: "another", Rates: []float64{1000, 600}, Rate: 800},
	}
	if err := updateReadme(file, c.markdown()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []string{
		"before\n" + markBegin + "\n`go run .`, 2026-11-28: medians of 2, 100,000 commands", "|\n" + markEnd + "\nafter\n",
		"| the floor | 20,000 | 0.85× |", "| the worker | 16,500 |  |", "| another | 800 | 20× |",
	} {
		if !strings.Contains(string(text), wanted) {
			t.Errorf("%q is missing in:\n%s", wanted, text)
		}
	}
	if strings.Contains(string(text), "old") {
		t.Errorf("the old table is still there:\n%s", text)
	}
	write("no place")
	if err := updateReadme(file, c.markdown()); err == nil {
		t.Error("nobody noticed that there is no place")
	}
}
