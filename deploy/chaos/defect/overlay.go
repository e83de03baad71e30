package defect

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Defect is one way to break the service.
type Defect struct {
	Name string
	// Breaks says what is wrong, for people.
	Breaks string
	// Acts are the kinds of acts that it is expected to show in, with commas.
	Acts  string
	edits []edit
}

// edit replaces a text that stands in a file once.
type edit struct {
	file     string // below the module's root
	old, new string
}

// Overlay writes the files of a defect into a directory and returns the file to
// be given to go build -overlay. Root is that of the module.
func (d *Defect) Overlay(root, dir string) (file string, err error) {
	root, err = filepath.Abs(root)
	if err != nil {
		return "", err
	}
	edited := map[string]string{} // text by path
	for _, e := range d.edits {
		path := filepath.Join(root, e.file)
		text, ok := edited[path]
		if !ok {
			source, err := os.ReadFile(path)
			if err != nil {
				return "", fmt.Errorf("plant %s: %w (is this the root of the repository?)", d.Name, err)
			}
			text = string(source)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return "", fmt.Errorf("plant %s: its text stands in %s %d times, it must be once; write the defect anew: %q", d.Name, e.file, n, e.old)
		}
		edited[path] = strings.Replace(text, e.old, e.new, 1)
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = map[string]string{}
	for path, text := range edited {
		to := filepath.Join(dir, fmt.Sprintf("%s-%d-%s", d.Name, len(overlay.Replace), filepath.Base(path)))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", err
		}
		overlay.Replace[path] = to
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, d.Name+".overlay.json")
	return file, os.WriteFile(file, list, 0o600)
}
