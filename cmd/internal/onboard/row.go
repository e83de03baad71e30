package onboard

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"connect-provider/messages"
)

// Job is what gives rows their identity beside what they say.
type Job struct {
	// Name goes into ids and metadata.
	Name string
	// Organization is that of the rows that name none.
	Organization string
}

// MaxJobName is how many bytes a job's name may have.
const MaxJobName = 200

// row is one that can be published.
type row struct {
	number       int64
	organization messages.Organization
	bridge       string
	config       int64
	phone        string
	id           string // of the first attempt
	given        bool   // the id stands in the file
	body         []byte // the command's first attempt
}

// rowKey names a command: rows with the same are one command. Two commands
// under one id that say different things have different ones.
type rowKey [16]byte

// row makes a command of a record, or says why it can be none, with the code
// that the workers would give.
func (j *Job) row(record *Record) (row, *messages.Failure) {
	r := row{number: record.Number, bridge: record.values[bridgeSlug], phone: record.values[phoneNumber]}
	if record.problem != "" {
		return r, malformed("", record.problem)
	}
	for member := range record.values {
		if member <= phoneNumber && (!record.given[member] || record.values[member] == "") {
			return r, malformed(memberNames[member], memberNames[member]+" is empty.")
		}
	}
	var err error
	if r.config, err = strconv.ParseInt(record.values[providerConfigID], 10, 64); err != nil || !wholeNumber.MatchString(record.values[providerConfigID]) {
		return r, malformed("provider_config_id", "provider_config_id is not a whole number as in 42.")
	}
	handle := cmp.Or(record.values[orgHandle], j.Organization)
	if handle == "" {
		return r, malformed("org_handle", "The row names no organization: fill org_handle in, or give --org.")
	}
	organization, unknown := messages.OrganizationFromHandle(handle)
	r.organization = organization
	if r.id = record.values[commandID]; r.id != "" {
		r.given = true
	} else {
		r.id = j.derivedID(&r)
	}
	var refused *messages.Failure
	if r.body, err = messages.EncodeCommand(j.command(&r, 1)); errors.As(err, &refused) {
		return r, refused
	}
	if _, err := messages.ParsePhoneNumber(r.phone); err != nil {
		return r, &messages.Failure{Code: messages.PhoneNumberInvalid, Field: "phone_number",
			Message: "The phone number is not E.164: a plus sign, a digit from 1 to 9, then 1 to 14 more digits, nothing else."}
	}
	if unknown != nil {
		return r, &messages.Failure{Code: messages.OrganizationUnknown, Field: "org_handle", Message: fmt.Sprintf("There is no such organization: %v.", unknown)}
	}
	// what is kept of a row must not keep the whole of it
	r.bridge, r.phone, r.id = strings.Clone(r.bridge), strings.Clone(r.phone), strings.Clone(r.id)
	return r, nil
}

var wholeNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

func malformed(field, message string) *messages.Failure {
	return &messages.Failure{Code: messages.MalformedCommand, Field: field, Message: message}
}

func (j *Job) metadata(number int64) map[string]string {
	return map[string]string{"job": j.Name, "row": strconv.FormatInt(number, 10)}
}

// derivedID is the id of a row that brings none: the same whenever the row is
// met under the job's name.
func (j *Job) derivedID(r *row) string {
	sum := digest(r.organization.Token, j.Name, r.bridge, strconv.FormatInt(r.config, 10), r.phone)
	return "onboard:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// attemptID is the command id of a row's nth attempt.
func attemptID(id string, attempt int) string {
	if attempt == 1 {
		return id
	}
	suffix := ":" + strconv.Itoa(attempt)
	if len(id)+len(suffix) > messages.MaxCommandID {
		sum := digest(id)
		id = "onboard:" + base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return id + suffix
}

func keyOf(token, id, bridge string, config int64, phone string) rowKey {
	return digest(token, id, bridge, strconv.FormatInt(config, 10), phone)
}

// digest tells lists of texts apart.
func digest(texts ...string) (sum [16]byte) {
	var b []byte
	for _, text := range texts {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	whole := sha256.Sum256(b)
	copy(sum[:], whole[:])
	return sum
}

// attempt returns the command's body of a row's nth attempt.
func (j *Job) attempt(r *row, attempt int) ([]byte, error) {
	if attempt == 1 {
		return r.body, nil
	}
	return messages.EncodeCommand(j.command(r, attempt))
}

func (j *Job) command(r *row, attempt int) messages.Command {
	return messages.Command{
		ID: attemptID(r.id, attempt), BridgeSlug: r.bridge, ProviderConfigID: r.config, PhoneNumber: r.phone, Metadata: j.metadata(r.number),
	}
}

// says reports whether what was decided is about what the row says.
func (r *row) says(data *messages.EventData) bool {
	return data.BridgeSlug == r.bridge && data.PhoneNumber == r.phone && data.ProviderConfigID != nil && *data.ProviderConfigID == r.config
}
