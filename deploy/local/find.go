package local

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The major versions that the project is tested with.
const (
	oldestPostgres = 14
	newestPostgres = 18
)

// usualDirs are where Debian and Red Hat packages put the server's programs,
// outside PATH.
var usualDirs = []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/bin"}

// Binaries are the programs of a Postgres server.
type Binaries struct {
	Dir     string // with symbolic links resolved
	Version int    // major: 14 to 18
}

func (b Binaries) path(program string) string { return filepath.Join(b.Dir, program) }

// FindPostgres looks for a server that can be run: in o.BinDir and nowhere else
// if that is set, else on PATH, in the usual directories of Debian and Red Hat
// (newest first), and at last by a download unless o.NoDownload is set. If
// o.Dir holds a cluster already, only its own major version will do. The error
// names every way that was tried and what to do.
func FindPostgres(o PostgresOptions) (Binaries, error) {
	acc, err := serverAccount()
	if err != nil {
		return Binaries{}, err
	}
	s := search{account: acc, want: clusterVersion(dataDir(o.Dir))}
	if o.BinDir != "" {
		if b, ok := s.look("the directory given", o.BinDir); ok {
			return b, nil
		}
		return Binaries{}, s.failure()
	}
	for _, place := range places() {
		if b, ok := s.look(place.how, place.dir); ok {
			return b, nil
		}
	}
	if !o.NoDownload {
		if b, ok := s.download(); ok {
			return b, nil
		}
	}
	return Binaries{}, s.failure()
}

type place struct{ how, dir string }

func places() []place {
	var found []place
	if program, err := exec.LookPath("postgres"); err == nil {
		found = append(found, place{"PATH", filepath.Dir(program)})
	} else {
		found = append(found, place{"PATH", ""})
	}
	for _, pattern := range usualDirs {
		dirs, _ := filepath.Glob(pattern) // the patterns are constant and well formed
		slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(firstNumber(b), firstNumber(a)) })
		for _, dir := range dirs {
			found = append(found, place{"the usual directories", dir})
		}
		if len(dirs) == 0 {
			found = append(found, place{pattern, ""})
		}
	}
	return found
}

// search remembers why each way failed.
type search struct {
	account account
	want    int // major version of the cluster that exists, or 0
	tried   []string
}

func (s *search) look(how, dir string) (Binaries, bool) {
	if dir == "" {
		s.tried = append(s.tried, how+": nothing there")
		return Binaries{}, false
	}
	b, err := s.inspect(dir)
	if err != nil {
		s.tried = append(s.tried, fmt.Sprintf("%s: %s: %v", how, dir, err))
		return Binaries{}, false
	}
	return b, true
}

// inspect tells whether the directory holds a server that the account can run
// and that has an acceptable version.
func (s *search) inspect(dir string) (Binaries, error) {
	program, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return Binaries{}, errors.New("no postgres program there")
	}
	b := Binaries{Dir: filepath.Dir(program)}
	if _, err := os.Stat(b.path("initdb")); err != nil {
		return Binaries{}, errors.New("postgres is there, but no initdb beside it")
	}
	if b.Version, err = s.version(program); err != nil {
		return Binaries{}, err
	}
	if b.Version < oldestPostgres || b.Version > newestPostgres {
		return Binaries{}, fmt.Errorf("version %d; %d to %d will do", b.Version, oldestPostgres, newestPostgres)
	}
	if s.want != 0 && s.want != b.Version {
		return Binaries{}, fmt.Errorf("version %d, but the data there is of version %d", b.Version, s.want)
	}
	return b, nil
}

func (s *search) version(program string) (int, error) {
	cmd := exec.Command(program, "--version")
	cmd.Dir = "/"
	cmd.SysProcAttr = s.account.attributes()
	out, err := cmd.Output()
	if err != nil && s.account.switched {
		return 0, fmt.Errorf("cannot be run as the account %q: %w", s.account.name, err)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot be run: %w", err)
	}
	if v := firstNumber(string(out)); v != 0 {
		return v, nil
	}
	return 0, fmt.Errorf("says %q for its version", strings.TrimSpace(string(out)))
}

func (s *search) failure() error {
	wanted := fmt.Sprintf("PostgreSQL %d to %d", oldestPostgres, newestPostgres)
	if s.want != 0 {
		wanted = fmt.Sprintf("PostgreSQL %d (the version of the data in the directory)", s.want)
	}
	return fmt.Errorf("no server of %s found. Tried:\n  - %s\nInstall one (Debian: apt install postgresql; Red Hat: dnf install postgresql-server), "+
		"name the directory of its programs, or give the URL of a database that runs elsewhere", wanted, strings.Join(s.tried, "\n  - "))
}

var digits = regexp.MustCompile(`\d+`)

func firstNumber(s string) int {
	n, _ := strconv.Atoi(digits.FindString(s)) // 0 when there is none
	return n
}
