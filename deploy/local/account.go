package local

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
)

// account is whom the Postgres server runs as: the caller, or, since Postgres
// refuses root, an unprivileged account of the machine.
type account struct {
	name     string
	uid, gid int
	switched bool // another account than the caller's
}

func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return account{name: name, uid: uid, gid: gid, switched: true}, nil
		}
	}
	return account{}, errors.New("Postgres refuses to run as root, and this machine has neither the account \"postgres\" nor \"nobody\": run as an ordinary user, or give a database URL")
}

// own hands a file or directory to the server's account.
func (a account) own(path string, mode os.FileMode) error {
	if err := os.Chmod(path, mode); err != nil {
		return err
	}
	if !a.switched {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// canEnter tells whether the account can pass through every directory down to
// dir. The kernel decides, not mode bits, so ACLs and mounts count. The error
// names the first directory that stops it and what to do.
func (a account) canEnter(dir string) error {
	enters := func(dir string) bool { return a.try(dir, "/bin/sh", "-c", ":") == nil }
	if !a.switched || enters(dir) {
		return nil
	}
	blocked := dir
	for d := dir; d != filepath.Dir(d); {
		d = filepath.Dir(d)
		if enters(d) {
			break
		}
		blocked = d
	}
	return fmt.Errorf("Postgres runs as the account %q (it refuses root), which cannot enter %s: "+
		"use a directory elsewhere (for instance below /var/lib or /var/tmp), or let others pass with `chmod o+x %s`", a.name, blocked, blocked)
}

// try runs a program that ends at once as the account, in the directory.
func (a account) try(dir, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = a.attributes()
	return cmd.Run()
}
