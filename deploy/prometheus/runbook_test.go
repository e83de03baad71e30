package prometheus

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const runbook = "../RUNBOOK.md"

// readSections returns the runbook's sections under headings of the third rank,
// and all headings in order.
func readSections(t *testing.T) (sections map[string]string, headings []string) {
	t.Helper()
	text, err := os.ReadFile(runbook)
	if err != nil {
		t.Fatal(err)
	}
	sections = map[string]string{}
	parts := regexp.MustCompile(`(?m)^#{1,6} .*$`).FindAllStringIndex(string(text), -1)
	for i, part := range parts {
		end := len(text)
		if i+1 < len(parts) {
			end = parts[i+1][0]
		}
		heading := strings.TrimLeft(string(text[part[0]:part[1]]), "# ")
		headings = append(headings, heading)
		sections[heading] = strings.TrimSpace(string(text[part[1]:end]))
	}
	return sections, headings
}

// TestEachAlertHasItsPlaceInTheRunbook, and each place its alert. Each says what
// it means, what to do, and what can't be lost by waiting.
func TestEachAlertHasItsPlaceInTheRunbook(t *testing.T) {
	sections, headings := readSections(t)
	var alerts []string
	for _, rule := range readAlerts(t) {
		alerts = append(alerts, rule.Alert)
		section, ok := sections[rule.Alert]
		if !ok {
			t.Errorf("the runbook has nothing under %s", rule.Alert)
			continue
		}
		for _, part := range []string{"**Means.**", "**Look.**", "**Do.**", "**Don't.**", "**Safe.**"} {
			if !strings.Contains(section, part) {
				t.Errorf("the runbook says nothing about %s under %s", part, rule.Alert)
			}
		}
	}
	for _, heading := range headings {
		if strings.HasPrefix(heading, "ConnectProvider") && !slices.Contains(alerts, heading) {
			t.Errorf("the runbook has %s, which is no alert", heading)
		}
	}
}

// TestTheRunbooksMetricsAndLinksExist: every metric that it names, every file
// and heading that it points to.
func TestTheRunbooksMetricsAndLinksExist(t *testing.T) {
	known, err := series()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(runbook)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`connect_provider_[a-z_]+`).FindAllString(string(text), -1) {
		_, ok := known[name]
		if !ok && !slices.Contains(roles, name) {
			t.Errorf("the runbook names %s, which is no metric", name)
		}
	}
	_, headings := readSections(t)
	for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(string(text), -1) {
		file, anchor, _ := strings.Cut(link[1], "#")
		switch {
		case strings.Contains(file, "://"):
		case file != "":
			if _, err := os.Stat(filepath.Join(filepath.Dir(runbook), file)); err != nil {
				t.Errorf("the runbook points to %s: %v", link[1], err)
			}
		case !slices.ContainsFunc(headings, func(heading string) bool { return anchorOf(heading) == anchor }):
			t.Errorf("the runbook points to #%s, and has no such heading", anchor)
		}
	}
}

// roles are the database's, whose names look like metrics.
var roles = []string{
	"connect_provider_migrate", "connect_provider_worker", "connect_provider_gateway", "connect_provider_reader", "connect_provider_operator",
}

// anchorOf is what GitHub and others make of a heading.
func anchorOf(heading string) string {
	kept := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(kept, " ", "-")
}
