package local

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// download gets the binaries through the library embedded-postgres, which
// keeps the archive in ~/.embedded-postgres-go; the extracted programs are kept
// beside it for later runs. The newest version is taken, except for a cluster
// that has another one already.
func (s *search) download() (Binaries, bool) {
	b, err := s.fetch()
	if err != nil {
		s.tried = append(s.tried, fmt.Sprintf("download by embedded-postgres: %v", err))
		return Binaries{}, false
	}
	return b, true
}

func (s *search) fetch() (Binaries, error) {
	version, err := fetchVersion(s.want)
	if err != nil {
		return Binaries{}, err
	}
	keep, err := s.downloadDir()
	if err != nil {
		return Binaries{}, err
	}
	dir := filepath.Join(keep, "postgres-"+string(version))
	if b, err := s.inspect(filepath.Join(dir, "bin")); err == nil {
		return b, nil
	}
	said, startErr := extract(version, dir)
	b, err := s.inspect(filepath.Join(dir, "bin"))
	if err != nil {
		return Binaries{}, errors.Join(fmt.Errorf("%w; the library said: %s", err, said), startErr)
	}
	return b, nil
}

// extract makes the library fetch and unpack the programs into dir. It has no
// call for that alone: it also starts a server, which is not used here and,
// for root, does not even start. So success is for the caller to see in dir.
func extract(version embeddedpostgres.PostgresVersion, dir string) (said string, err error) {
	scratch, err := os.MkdirTemp("", "connect-provider-fetch-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	port, err := FreePort(loopback)
	if err != nil {
		return "", err
	}
	var log bytes.Buffer
	server := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(version).BinariesPath(dir).RuntimePath(filepath.Join(scratch, "run")).Port(uint32(port)).Logger(&log))
	if err := server.Start(); err != nil {
		return strings.TrimSpace(log.String()), err
	}
	return "", server.Stop()
}

func fetchVersion(want int) (embeddedpostgres.PostgresVersion, error) {
	switch want {
	case 0, 18:
		return embeddedpostgres.V18, nil
	case 17:
		return embeddedpostgres.V17, nil
	case 16:
		return embeddedpostgres.V16, nil
	case 15:
		return embeddedpostgres.V15, nil
	case 14:
		return embeddedpostgres.V14, nil
	}
	return "", fmt.Errorf("the data in the directory is of version %d; %d to %d will do", want, oldestPostgres, newestPostgres)
}

// downloadDir is where extracted programs stay. Root's own cache directory is
// closed to the account that runs them.
func (s *search) downloadDir() (string, error) {
	base := "/var/cache"
	if !s.account.switched {
		var err error
		if base, err = os.UserCacheDir(); err != nil {
			return "", err
		}
	}
	dir := filepath.Join(base, "connect-provider")
	return dir, os.MkdirAll(dir, 0o755)
}
