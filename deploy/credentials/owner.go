package credentials

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Owner is a user and a group, by their numbers.
type Owner struct{ UID, GID int }

// ParseOwner reads UID or UID:GID. Without a group it is the one with the
// user's number.
func ParseOwner(text string) (Owner, error) {
	user, group, both := strings.Cut(text, ":")
	if !both {
		group = user
	}
	uid, err := strconv.ParseUint(user, 10, 31)
	if err == nil {
		var gid uint64
		if gid, err = strconv.ParseUint(group, 10, 31); err == nil {
			return Owner{UID: int(uid), GID: int(gid)}, nil
		}
	}
	return Owner{}, fmt.Errorf("%q is neither a user's number nor USER:GROUP by number, such as 65532 or 65532:65532", text)
}

// giveAway gives the files to who reads them. Where nothing was asked for and
// this process is not root, all belong to who made them.
func (d *directory) giveAway() error {
	if os.Geteuid() != 0 && len(d.owners) == 0 {
		return nil
	}
	keeper, known := ownerOf(d.path)
	return filepath.WalkDir(d.path, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(d.path, file)
		if err != nil || name == "." {
			return err
		}
		owner, given := keeper, known
		for dir, o := range d.owners {
			if below(filepath.ToSlash(name), dir) {
				owner, given = o, true
			}
		}
		if !given {
			return nil
		}
		if is, ok := ownerOf(file); ok && is == owner {
			return nil
		}
		if err := os.Lchown(file, owner.UID, owner.GID); err != nil {
			return fmt.Errorf("give %s to user %d: %w", file, owner.UID, err)
		}
		return nil
	})
}
