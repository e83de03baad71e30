package credentials

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"

	"github.com/nats-io/nkeys"
)

// user returns the public key of a NATS user whose seed is in a file, and makes
// the seed if there is none.
func (d *directory) user(file string) (publicKey string, err error) {
	seed, err := d.keep(file, private, newSeed)
	if err != nil {
		return "", err
	}
	pair, err := nkeys.FromSeed(bytes.TrimSpace(seed))
	if err == nil {
		publicKey, err = pair.PublicKey()
	}
	if err == nil && !nkeys.IsValidPublicUserKey(publicKey) {
		err = errors.New("it is not a user's")
	}
	if err != nil {
		return "", fmt.Errorf("%s holds no nkey seed of a user (%w); delete it, and it is made anew", d.full(file), err)
	}
	return publicKey, nil
}

// handedOver returns the public key of an organization's user. Its seed may
// have been taken away; then the public key that was noted counts. name is
// without the .nk and .pub of the two files.
func (d *directory) handedOver(name string) (string, error) {
	noted, err := d.read(name + ".pub")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if known := string(bytes.TrimSpace(noted)); known != "" {
		if !nkeys.IsValidPublicUserKey(known) {
			return "", fmt.Errorf("%s holds no public key of a user; delete it and %s.nk, and both are made anew", d.full(name+".pub"), name)
		}
		if _, err := d.read(name + ".nk"); errors.Is(err, fs.ErrNotExist) {
			d.kept++
			return known, nil
		}
	}
	publicKey, err := d.user(name + ".nk")
	if err != nil {
		return "", err
	}
	return publicKey, d.render(name+".pub", publicKey+"\n")
}

func newSeed() ([]byte, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, err
	}
	seed, err := pair.Seed()
	return append(seed, '\n'), err
}

func newPassword() ([]byte, error) {
	random := make([]byte, 24)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	return []byte(base64.RawURLEncoding.EncodeToString(random) + "\n"), nil
}
