package credentials

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

const (
	private fs.FileMode = 0o600
	public  fs.FileMode = 0o644
)

// directory is where the files are made. Paths in it have slashes.
type directory struct {
	path   string
	owners map[string]Owner
	made   []string
	kept   int
}

func openDirectory(name string, owners map[string]Owner) (*directory, error) {
	full, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	// what stands above it is not this program's to make
	if err := os.Mkdir(full, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("directory of credentials: %w", err)
	}
	info, err := os.Stat(full)
	if err != nil {
		return nil, fmt.Errorf("directory of credentials: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("directory of credentials: %s is a file", full)
	}
	return &directory{path: full, owners: owners}, nil
}

func (d *directory) full(name string) string { return filepath.Join(d.path, filepath.FromSlash(name)) }

func (d *directory) result(r Result) Result {
	r.Made, r.Kept = d.made, d.kept
	return r
}

func (d *directory) makeDir(name string) error {
	return os.MkdirAll(d.full(name), 0o700)
}

// keep returns a file's content, and makes the file if there is none. Another
// run that makes it meanwhile wins.
func (d *directory) keep(name string, mode fs.FileMode, content func() ([]byte, error)) ([]byte, error) {
	present, err := d.read(name)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			d.kept++
		}
		return present, err
	}
	fresh, err := content()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	temporary, err := d.write(name, mode, fresh)
	if err != nil {
		return nil, err
	}
	defer os.Remove(temporary) //nolint:errcheck // its other name is the file
	if err := os.Link(temporary, d.full(name)); errors.Is(err, fs.ErrExist) {
		return d.read(name)
	} else if err != nil {
		return nil, err
	}
	d.made = append(d.made, name)
	return fresh, nil
}

// render writes a file that is made from others, if it differs.
func (d *directory) render(name, content string) error {
	if present, err := os.ReadFile(d.full(name)); err == nil && string(present) == content {
		d.kept++
		return nil
	}
	temporary, err := d.write(name, public, []byte(content))
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, d.full(name)); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	d.made = append(d.made, name)
	return nil
}

// read returns the content of a file, which is not empty.
func (d *directory) read(name string) ([]byte, error) {
	content, err := os.ReadFile(d.full(name))
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(content)) == 0 {
		return nil, fmt.Errorf("%s is empty: delete it, and it is made anew", d.full(name))
	}
	return content, nil
}

// write makes a whole, synced file under a temporary name in the same directory.
func (d *directory) write(name string, mode fs.FileMode, content []byte) (temporary string, err error) {
	if err := d.makeDir(path.Dir(name)); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(d.full(name)), ".new-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// below tells whether a path in the directory is a directory or in it.
func below(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }
