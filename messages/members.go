package messages

import "github.com/go-json-experiment/json/jsontext"

// command reads the members of a command into c, leaving out what is at fault.
// It reports whether a command_id was given, acceptable or not.
func (p *parser) command(c *Command) (idGiven bool) {
	var bridge, config, phone bool // given, or already failed
	complete := p.object("the command", func(name string) {
		var s string
		switch name {
		case "command_id":
			idGiven = true
			if p.text(name, &s) {
				if validCommandID(s) {
					c.ID = s
				} else {
					p.fail(invalidID(name))
				}
			}
		case "org_handle":
			if p.checkedText(name, &s) {
				c.OrgHandle = &s
			}
		case "bridge_slug":
			bridge = !p.null()
			if bridge && p.checkedText(name, &s) {
				c.BridgeSlug = s
			}
		case "provider_config_id":
			config = !p.null()
			if config {
				p.integer(name, &c.ProviderConfigID)
			}
		case "phone_number":
			phone = !p.null()
			if phone && p.checkedText(name, &s) {
				c.PhoneNumber = s
			}
		case "metadata":
			c.Metadata = p.metadata()
		default:
			p.fail(unknownMember(name))
			p.skip()
		}
	})
	if complete {
		for _, member := range []struct {
			name  string
			given bool
		}{{"bridge_slug", bridge}, {"provider_config_id", config}, {"phone_number", phone}} {
			if !member.given {
				p.fail(missing(member.name))
			}
		}
	}
	return idGiven
}

// null reads a null if that is what comes next.
func (p *parser) null() bool {
	if p.json.PeekKind() != 'n' {
		return false
	}
	p.skip()
	return true
}

func (p *parser) checkedText(member string, s *string) bool {
	if !p.text(member, s) {
		return false
	}
	if failure := checkText(member, *s); failure != nil {
		p.fail(failure)
		return false
	}
	return true
}

// metadata reads the metadata, nil if it is at fault.
func (p *parser) metadata() map[string]string {
	kind := p.json.PeekKind()
	if kind != '{' && kind != jsontext.KindInvalid {
		p.skip()
		p.fail(wrongType("metadata", "object", kind))
		return nil
	}
	metadata, sound := map[string]string{}, true
	complete := p.object("metadata", func(name string) {
		var value string
		if kind := p.json.PeekKind(); kind != '"' && kind != jsontext.KindInvalid {
			sound = false
			p.skip()
			p.fail(malformed("metadata", `the value of %q in "metadata" must be a JSON string, but is %s`, clip(name), kindName(kind)))
			return
		}
		p.text("metadata", &value)
		metadata[name] = value
	})
	if !complete || !sound {
		return nil
	}
	if failure := checkMetadata(metadata); failure != nil {
		p.fail(failure)
		return nil
	}
	return metadata
}
