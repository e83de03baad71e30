package defect

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"connect-provider/deploy/chaos/attack"
)

// TestDefectsCanBePlanted: each still finds its place in the sources, and what
// it makes of them is Go.
func TestDefectsCanBePlanted(t *testing.T) {
	names := map[string]bool{}
	for _, d := range All() {
		if names[d.Name] {
			t.Errorf("two defects are called %s", d.Name)
		}
		names[d.Name] = true
		if _, err := attack.Find(d.Acts); err != nil {
			t.Errorf("%s: %v", d.Name, err)
		}
		file, err := d.Overlay("../../..", t.TempDir())
		if err != nil {
			t.Error(err)
			continue
		}
		var overlay struct{ Replace map[string]string }
		list, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(list, &overlay)
		}
		if err != nil || len(overlay.Replace) == 0 {
			t.Fatalf("%s: overlay %s: %v", d.Name, list, err)
		}
		for path, edited := range overlay.Replace {
			if !strings.HasSuffix(path, ".go") {
				continue
			}
			if _, err := parser.ParseFile(token.NewFileSet(), edited, nil, parser.SkipObjectResolution); err != nil {
				t.Errorf("%s: %v", d.Name, err)
			}
		}
	}
}
