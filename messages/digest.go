package messages

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
)

// Digest is equal for two commands if and only if their content is: the verb
// and all members but the id and the metadata, compared after decoding. It
// tells a repeated command from another one under the same id. For a message
// that could not be understood it is that of its verb and body.
func (r *Received) Digest() [16]byte {
	d := make(digest, 0, 256)
	d = d.text(r.Verb)
	if r.Malformed != nil {
		return append(d, 'm').bytes(r.Body).sum()
	}
	c := &r.Command
	if c.OrgHandle == nil {
		d = append(d, 0)
	} else {
		d = append(d, 1).text(*c.OrgHandle)
	}
	return d.text(c.BridgeSlug).number(c.ProviderConfigID).text(c.PhoneNumber).sum()
}

// OutcomeDigest is equal for two events if and only if they tell the same
// outcome: type, code and data, with times and the text for people left out.
func (e *Event) OutcomeDigest() [16]byte {
	data := &e.Data
	d := make(digest, 0, 512)
	d = d.text(string(e.Type)).text(data.CommandID).text(data.OrgHandle).text(data.BridgeSlug)
	if data.ProviderConfigID == nil {
		d = append(d, 0)
	} else {
		d = append(d, 1).number(*data.ProviderConfigID)
	}
	d = d.text(data.Provider).text(data.PhoneNumber)
	if data.Changed {
		d = append(d, 1)
	} else {
		d = append(d, 0)
	}
	d = d.number(data.ConnectionVersion).texts(data.Metadata)
	if data.Error != nil {
		d = append(d, 1).text(string(data.Error.Code)).text(data.Error.Field).texts(data.Error.Details)
	}
	return d.sum()
}

// digest collects what is hashed. Lengths stand before what varies, so that no
// two contents give the same bytes.
type digest []byte

func (d digest) text(s string) digest {
	return append(binary.AppendUvarint(d, uint64(len(s))), s...)
}

func (d digest) bytes(b []byte) digest {
	return append(binary.AppendUvarint(d, uint64(len(b))), b...)
}

func (d digest) number(n int64) digest { return binary.AppendVarint(d, n) }

func (d digest) texts(members map[string]string) digest {
	d = binary.AppendUvarint(d, uint64(len(members)))
	if len(members) == 0 {
		return d
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		d = d.text(name).text(members[name])
	}
	return d
}

func (d digest) sum() [16]byte {
	whole := sha256.Sum256(d)
	return [16]byte(whole[:16])
}
