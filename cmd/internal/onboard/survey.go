package onboard

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"connect-provider/messages"
)

// Survey is what is known of a file after it was read once.
type Survey struct {
	Rows int64
	// Digest is that of the content, decompressed: the same file, compressed in
	// another way, is the same job.
	Digest string
	// Organizations are those that rows name, up to a few; More says that there
	// are others.
	Organizations []messages.Organization
	More          bool
}

// mostOrganizations is how many are listed.
const mostOrganizations = 16

// JobName is the job's name unless somebody gives one.
func (s *Survey) JobName() string { return s.Digest[:16] }

// Survey reads the whole file. What it can't read is an error: nothing was sent
// by then. Rows that can be no command are none, they end in the report.
func (in *Input) Survey(defaultOrganization string) (Survey, error) {
	var s Survey
	rows, err := in.rows()
	if err != nil {
		return s, err
	}
	seen := map[string]bool{"": true}
	see := func(handle string) {
		if seen[handle] || s.More {
			return
		}
		organization, err := messages.OrganizationFromHandle(handle)
		if err != nil {
			return
		}
		if len(s.Organizations) == mostOrganizations {
			s.More = true
			return
		}
		seen[organization.Handle] = true
		s.Organizations = append(s.Organizations, organization)
	}
	for {
		record, err := rows.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s, fmt.Errorf("row %d: %w", s.Rows+1, err)
		}
		s.Rows = record.Number
		if handle := record.values[orgHandle]; handle != "" {
			see(handle)
		} else {
			see(defaultOrganization)
		}
	}
	sum, err := rows.digest()
	s.Digest = hex.EncodeToString(sum)
	return s, err
}
