package messages

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// parser reads the JSON of one body. It goes on after a member that it cannot
// accept, so that the outcome of a malformed command can tell as much as
// possible; bytes that are no JSON end it.
type parser struct {
	json    *jsontext.Decoder
	source  bytes.Reader
	failure *Failure // the first
	broken  bool     // what follows cannot be read
}

var parsers = sync.Pool{New: func() any { return &parser{json: new(jsontext.Decoder)} }}

func parse(body []byte) *parser {
	p := parsers.Get().(*parser)
	p.source.Reset(body)
	p.json.Reset(&p.source)
	p.failure, p.broken = nil, false
	if failure := checkStart(body); failure != nil {
		p.failure, p.broken = failure, true
	}
	return p
}

func (p *parser) release() {
	p.source.Reset(nil)
	parsers.Put(p)
}

func (p *parser) fail(f *Failure) {
	if p.failure == nil {
		p.failure = f
	}
}

func (p *parser) stop(err error) {
	p.fail(syntaxFailure(err))
	p.broken = true
}

// object reads an object, calling member for each name; member must read or
// skip the value.
func (p *parser) object(what string, member func(name string)) bool {
	if p.broken {
		return false
	}
	if kind := p.json.PeekKind(); kind != '{' && kind != jsontext.KindInvalid {
		p.skip()
		p.fail(malformed("", "%s must be one JSON object, but is %s", what, kindName(kind)))
		return false
	}
	if _, err := p.json.ReadToken(); err != nil {
		p.stop(err)
		return false
	}
	for !p.broken && p.json.PeekKind() != '}' {
		quoted, err := p.json.ReadValue()
		if err != nil {
			p.stop(err)
			return false
		}
		member(memberName(quoted))
	}
	if p.broken {
		return false
	}
	if _, err := p.json.ReadToken(); err != nil {
		p.stop(err)
		return false
	}
	return true
}

// names are the members a command can have, to be found without copying.
var names = map[string]string{
	"command_id": "command_id", "org_handle": "org_handle", "bridge_slug": "bridge_slug",
	"provider_config_id": "provider_config_id", "phone_number": "phone_number", "metadata": "metadata",
}

func memberName(quoted jsontext.Value) string {
	if name, ok := names[string(quoted[1:len(quoted)-1])]; ok {
		return name
	}
	name, _ := jsontext.AppendUnquote(nil, quoted)
	return string(name)
}

// text reads a string into s. It reports whether there was one.
func (p *parser) text(member string, s *string) bool {
	if kind := p.json.PeekKind(); kind != '"' && kind != jsontext.KindInvalid {
		p.skip()
		p.fail(wrongType(member, "string", kind))
		return false
	}
	token, err := p.json.ReadToken()
	if err != nil {
		p.stop(err)
		return false
	}
	*s = token.String()
	return true
}

// integer reads a whole number into n. It reports whether there was one.
func (p *parser) integer(member string, n *int64) bool {
	kind := p.json.PeekKind()
	if kind != '0' && kind != jsontext.KindInvalid {
		p.skip()
		p.fail(wrongType(member, "integer", kind))
		return false
	}
	number, err := p.json.ReadValue()
	if err != nil {
		p.stop(err)
		return false
	}
	if !wholeNumber(number) {
		p.fail(malformed(member, "%q must be a JSON integer, written without fraction or exponent", member))
		return false
	}
	if *n, err = strconv.ParseInt(string(number), 10, 64); err != nil {
		*n = 0
		p.fail(malformed(member, "%q is outside the range of a 64-bit integer", member))
		return false
	}
	return true
}

func (p *parser) skip() {
	if err := p.json.SkipValue(); err != nil {
		p.stop(err)
	}
}

// end makes sure that nothing follows.
func (p *parser) end() {
	if p.broken {
		return
	}
	if _, err := p.json.ReadToken(); !errors.Is(err, io.EOF) {
		p.fail(malformed("", "something follows the JSON object; send one object and nothing after it"))
	}
}
