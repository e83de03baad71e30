package prometheus

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// rule is one of alerts.yml.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func readAlerts(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	readYAML(t, "alerts.yml", &file)
	var rules []rule
	for _, group := range file.Groups {
		rules = append(rules, group.Rules...)
	}
	if len(rules) == 0 {
		t.Fatal("alerts.yml has no rules")
	}
	return rules
}

func readYAML(t *testing.T, path string, to any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

var labelInText = regexp.MustCompile(`\$labels\.(\w+)`)

// TestAlertsAskForWhatThereIs: the metrics, their labels, and the labels that
// the texts use.
func TestAlertsAskForWhatThereIs(t *testing.T) {
	for _, rule := range readAlerts(t) {
		have, err := checkQuery(rule.Expr)
		if err != nil {
			t.Errorf("%s: %v", rule.Alert, err)
			continue
		}
		for name, text := range rule.Annotations {
			for _, used := range labelInText.FindAllStringSubmatch(text, -1) {
				if !have[used[1]] {
					t.Errorf("%s: its %s uses the label %s; the alert has %v", rule.Alert, name, used[1], have)
				}
			}
		}
	}
}

// TestAlertsSayWhatTheyMust: how grave, what, and where to read on.
func TestAlertsSayWhatTheyMust(t *testing.T) {
	for _, rule := range readAlerts(t) {
		if severity := rule.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s: severity %q", rule.Alert, severity)
		}
		for _, annotation := range []string{"summary", "description"} {
			if rule.Annotations[annotation] == "" {
				t.Errorf("%s: no %s", rule.Alert, annotation)
			}
		}
		if want := "deploy/RUNBOOK.md#" + strings.ToLower(rule.Alert); rule.Annotations["runbook"] != want {
			t.Errorf("%s: runbook %q, want %q", rule.Alert, rule.Annotations["runbook"], want)
		}
		// what looks at the present must last; what looks back over an hour has
		if rule.For == "" && !regexp.MustCompile(`\[(1h|30m)\]`).MatchString(rule.Expr) {
			t.Errorf("%s: no for", rule.Alert)
		}
	}
}

// TestAlertsAreTested: promtool's tests see each alert firing, and not firing.
func TestAlertsAreTested(t *testing.T) {
	type sample struct {
		Labels string `yaml:"labels"`
	}
	var file struct {
		Tests []struct {
			Rules []struct {
				Alert    string `yaml:"alertname"`
				Expected []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
			Queries []struct {
				Expr     string   `yaml:"expr"`
				Expected []sample `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		} `yaml:"tests"`
	}
	readYAML(t, filepath.Join("testdata", "alerts_test.yml"), &file)
	var firing, silent []string
	matched := func(query string) (names []string) {
		for _, rule := range readAlerts(t) {
			if m := regexp.MustCompile(`alertname(=~?)"([^"]*)"`).FindStringSubmatch(query); m != nil {
				if ok, _ := regexp.MatchString("^(?:"+m[2]+")$", rule.Alert); ok {
					names = append(names, rule.Alert)
				}
			} else if strings.HasPrefix(query, `ALERTS{alertstate="firing"}`) {
				names = append(names, rule.Alert)
			}
		}
		return names
	}
	for _, test := range file.Tests {
		for _, r := range test.Rules {
			if len(r.Expected) > 0 {
				firing = append(firing, r.Alert)
			} else {
				silent = append(silent, r.Alert)
			}
		}
		for _, q := range test.Queries {
			var named []string
			for _, s := range q.Expected {
				if m := regexp.MustCompile(`alertname="(\w+)"`).FindStringSubmatch(s.Labels); m != nil {
					named = append(named, m[1])
				}
			}
			firing = append(firing, named...)
			for _, name := range matched(q.Expr) {
				if !slices.Contains(named, name) {
					silent = append(silent, name)
				}
			}
		}
	}
	for _, rule := range readAlerts(t) {
		if !slices.Contains(firing, rule.Alert) {
			t.Errorf("no test sees %s firing", rule.Alert)
		}
		if !slices.Contains(silent, rule.Alert) {
			t.Errorf("no test sees %s silent", rule.Alert)
		}
	}
}
