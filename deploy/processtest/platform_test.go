package processtest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"

	"connect-provider/messages"
)

const (
	organizations = 48
	bridges       = 8
	numbers       = 40 // of one organization and class
)

// Each organization has these configurations. Its numbers are linked to the
// first at the beginning, every other one to the second in the second half.
const (
	firstTwilio, secondTwilio, plivo, inactive = 1, 2, 3, 4
)

func handle(organization int) string { return fmt.Sprintf("org-%d.example", organization) }

// The two classes of an organization have bridges and numbers of their own:
// between them there is no order that a model could know.
func bridge(class messages.Class, n int) string { return fmt.Sprintf("%s-%d", class, n) }

func number(organization int, class messages.Class, n int) string {
	return fmt.Sprintf("+1%d%03d%04d", map[messages.Class]int{messages.Interactive: 5, messages.Bulk: 6}[class], organization, n)
}

// loadPlatform writes the platform's side.
func (s *service) loadPlatform() {
	s.t.Helper()
	var q pgx.Batch
	for organization := range organizations {
		h := handle(organization)
		q.Queue(`insert into telephony.organizations values ($1, $2)`, h, organization%3 != 0)
		q.Queue(`insert into telephony.provider_configurations values ($1, 1, 'twilio', true), ($1, 2, 'twilio', true), ($1, 3, 'plivo', true), ($1, 4, 'telnyx', false)`, h)
		for _, class := range messages.Classes() {
			q.Queue(`insert into telephony.bridges select $1, $2 || n from generate_series(0, $3::int - 1) n`, h, class.String()+"-", bridges)
			linked := make([]string, numbers)
			configurations := make([]int64, numbers)
			for n := range numbers {
				linked[n], configurations[n] = number(organization, class, n), linkedTo(n, false)
			}
			q.Queue(`insert into telephony.phone_numbers select n.number, $1, n.id, true from unnest($2::text[], $3::bigint[]) as n(number, id)`, h, linked, configurations)
		}
	}
	s.onDatabase(func(ctx context.Context, conn *pgx.Conn) error { return conn.SendBatch(ctx, &q).Close() })
}

// linkedTo is the configuration that a number is linked to, before and after
// the platform moves every other one.
func linkedTo(n int, moved bool) int64 {
	switch {
	case n%10 == 9:
		return plivo
	case moved && n%2 == 0:
		return secondTwilio
	}
	return firstTwilio
}

// moveNumbers links every other number to another configuration.
func (s *service) moveNumbers() {
	s.t.Helper()
	s.exec(`update telephony.phone_numbers set provider_config_id = 2 where provider_config_id = 1 and right(phone_number, 1)::int % 2 = 0`)
}

// command is one that a publisher has to bring into a stream.
type command struct {
	class   messages.Class
	subject string
	id      string // "" for one that can't be understood
	body    []byte
}

// makeCommands makes commands of all organizations, in the order in which each
// is to be published first. Some fail by some rule, some can't be understood,
// some repeat an earlier one, perhaps with other metadata, or use its id with
// other content.
func makeCommands(r *rand.Rand, prefix string, n int, moved bool) []command {
	made := make([]command, 0, n)
	for i := range n {
		organization, class := r.IntN(organizations), messages.Classes()[r.IntN(2)]
		owner, err := messages.OrganizationFromHandle(handle(organization))
		if err != nil {
			panic(err)
		}
		c := command{class: class, id: fmt.Sprintf("%s-%d", prefix, i), subject: messages.CommandSubject(class, owner, messages.VerbConnectProvider)}
		which := r.IntN(numbers)
		// most ask for the same bridge each time, so that the numbers of a
		// bridge mostly run through one provider
		where := which % bridges
		if r.IntN(8) == 0 {
			where = r.IntN(bridges + 1)
		}
		members := map[string]any{
			"command_id": c.id, "bridge_slug": bridge(class, where),
			"provider_config_id": linkedTo(which, moved), "phone_number": number(organization, class, which),
		}
		switch kind := r.IntN(100); {
		case kind < 3:
			members["provider_config_id"] = inactive
		case kind < 5:
			members["provider_config_id"] = 77
		case kind < 7:
			members["phone_number"] = "0" + number(organization, class, which)
		case kind < 9:
			members["org_handle"] = "another"
		case kind < 12 && i > 0:
			// again, word for word
			made = append(made, made[r.IntN(i)])
			continue
		case kind < 14 && i > 0:
			earlier := made[r.IntN(i)]
			if json.Unmarshal(earlier.body, &members) == nil {
				c, members["metadata"] = earlier, map[string]string{"row": fmt.Sprint(i)}
				if r.IntN(2) == 0 {
					members["bridge_slug"] = bridge(earlier.class, r.IntN(bridges))
				}
			}
		}
		c.body, err = json.Marshal(members)
		if err != nil {
			panic(err)
		}
		if r.IntN(50) == 0 {
			c.id, c.body = "", c.body[:len(c.body)-1]
		}
		made = append(made, c)
	}
	return made
}
