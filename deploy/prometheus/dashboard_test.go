package prometheus

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const dashboardFile = "../grafana/connect-provider.json"

// panel is one of Grafana's; a row that is folded has panels of its own.
type panel struct {
	ID         int                      `json:"id"`
	Title      string                   `json:"title"`
	Type       string                   `json:"type"`
	Datasource struct{ UID string }     `json:"datasource"`
	GridPos    struct{ X, Y, W, H int } `json:"gridPos"`
	Targets    []struct {
		Expr         string               `json:"expr"`
		LegendFormat string               `json:"legendFormat"`
		RefID        string               `json:"refId"`
		Datasource   struct{ UID string } `json:"datasource"`
	} `json:"targets"`
	Panels []panel `json:"panels"`
}

type dashboard struct {
	Title         string  `json:"title"`
	UID           string  `json:"uid"`
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []panel `json:"panels"`
	Templating    struct {
		List []struct {
			Name  string          `json:"name"`
			Type  string          `json:"type"`
			Query json.RawMessage `json:"query"`
		} `json:"list"`
	} `json:"templating"`
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func allPanels(panels []panel) (all []panel) {
	for _, p := range panels {
		all = append(append(all, p), allPanels(p.Panels)...)
	}
	return all
}

var (
	variable      = regexp.MustCompile(`\$\{?([a-zA-Z_]\w*)(?::\w+)?\}?`)
	grafanaRanges = []string{"__rate_interval", "__interval", "__range"}
	legendLabel   = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)
)

// filled replaces Grafana's variables by what they may stand for.
func filled(query string) string {
	return variable.ReplaceAllStringFunc(query, func(name string) string {
		if slices.Contains(grafanaRanges, strings.Trim(name, "${}")) {
			return "5m"
		}
		return ".+"
	})
}

// TestTheDashboardAsksForWhatThereIs: each query parses, the metrics, labels and
// variables that it names exist, and so do the labels of its legend.
func TestTheDashboardAsksForWhatThereIs(t *testing.T) {
	d := readDashboard(t)
	variables := slices.Clone(grafanaRanges)
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
	}
	queries := 0
	for _, p := range allPanels(d.Panels) {
		for _, target := range p.Targets {
			queries++
			for _, used := range variable.FindAllStringSubmatch(target.Expr, -1) {
				if !slices.Contains(variables, used[1]) {
					t.Errorf("%s: there is no variable %s", p.Title, used[1])
				}
			}
			have, err := checkQuery(filled(target.Expr))
			if err != nil {
				t.Errorf("%s: %v\n%s", p.Title, err, target.Expr)
				continue
			}
			for _, used := range legendLabel.FindAllStringSubmatch(target.LegendFormat, -1) {
				if !have[used[1]] {
					t.Errorf("%s: the legend uses the label %s; the result has %v", p.Title, used[1], have)
				}
			}
		}
	}
	if queries < 30 {
		t.Errorf("%d queries: were they read?", queries)
	}
}

// TestTheDashboardShowsEachMetric: what is measured can be seen.
func TestTheDashboardShowsEachMetric(t *testing.T) {
	known, err := series()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	for name := range known {
		if own, suffixed := strings.CutSuffix(name, "_bucket"); suffixed {
			name = own
		}
		if !strings.HasPrefix(name, "connect_provider_") || strings.HasSuffix(name, "_sum") || strings.HasSuffix(name, "_count") {
			continue
		}
		if !regexp.MustCompile(name + `(_bucket)?\b`).Match(text) {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// TestTheDashboardCanBeLoaded: what Grafana 10 needs to show it as it is meant.
func TestTheDashboardCanBeLoaded(t *testing.T) {
	d := readDashboard(t)
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 38 {
		t.Errorf("title %q, uid %q, schema version %d", d.Title, d.UID, d.SchemaVersion)
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		var query struct {
			Query string `json:"query"`
		}
		if err := json.Unmarshal(v.Query, &query); err != nil {
			t.Errorf("variable %s: %v", v.Name, err)
		}
		m := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(query.Query)
		if m == nil {
			t.Errorf("variable %s: %q is no label_values", v.Name, query.Query)
			continue
		}
		if have, err := checkQuery(filled(m[1])); err != nil || !have[m[2]] {
			t.Errorf("variable %s: %v, %v", v.Name, have, err)
		}
	}
	ids := map[int]bool{}
	taken := map[[2]int]string{}
	for _, p := range allPanels(d.Panels) {
		if p.ID == 0 || ids[p.ID] {
			t.Errorf("%s: id %d is missing or used twice", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W == 0 || p.GridPos.H == 0 {
			t.Errorf("%s: it does not fit on the grid: %+v", p.Title, p.GridPos)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s lies upon %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("%s: datasource %q, %d queries", p.Title, p.Datasource.UID, len(p.Targets))
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if target.RefID == "" || refs[target.RefID] || target.Datasource.UID != "${datasource}" {
				t.Errorf("%s: query %q of datasource %q", p.Title, target.RefID, target.Datasource.UID)
			}
			refs[target.RefID] = true
		}
	}
}
