package nats_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// mutation is the shipped configuration with one rule less, or one wider.
type mutation struct {
	what string
	conf conf
	// by is what is to notice it.
	by notice
}

// notice is what notices a change of the configuration.
type notice int

const (
	// byNeeds: somebody can no longer do what it must.
	byNeeds notice = iota
	// byAttacks: somebody can do what it must not, or the server refuses to start.
	byAttacks
	// byExcess: somebody can use more than its share.
	byExcess
	// byIntruders: the server loads imports that it must refuse.
	byIntruders
)

// TestEachRuleIsNeeded takes the configuration's rules away one by one, and
// widens them, and shows that the tables of what must work and of what must not
// notice it. A rule that none notices is one that is not needed.
func TestEachRuleIsNeeded(t *testing.T) {
	t.Parallel()
	all := mutations()
	// a change in how the files are laid out must not make this test check less
	if len(all) < 150 {
		t.Fatalf("only %d rules were found", len(all))
	}
	seen := map[string]bool{}
	for _, m := range all {
		if seen[m.what] {
			t.Fatalf("twice: %s", m.what)
		}
		seen[m.what] = true
	}
	// a few at a time: each has a server of its own
	turns := make(chan struct{}, 6)
	var wait sync.WaitGroup
	for _, m := range all {
		dir := filepath.Join(t.TempDir(), "mutation")
		wait.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			if err := m.noticed(t.Context(), dir); err != nil {
				t.Logf("%s: %.300v", m.what, err)
			} else {
				t.Errorf("%s: nothing notices it", m.what)
			}
		})
	}
	wait.Wait()
}

// noticed returns what fails with the mutation, nil if nothing does.
func (m mutation) noticed(ctx context.Context, dir string) error {
	if m.by == byIntruders {
		return m.conf.admitsIntruder(dir)
	}
	w, err := build(ctx, dir, m.conf, "nats.conf")
	if err != nil {
		return err
	}
	defer w.close()
	if m.by == byNeeds {
		// one who waits in vain notices what is missing
		w.patience = 2 * time.Second
		for _, n := range needs() {
			if err := w.meet(ctx, n); err != nil {
				return err
			}
		}
		return nil
	}
	table := attacks()
	if m.by == byExcess {
		table = excesses()
	}
	for _, a := range table {
		if err := w.suffer(ctx, a); err != nil && !errors.Is(err, errNotPrepared) {
			return err
		}
	}
	return nil
}

var (
	allowed       = regexp.MustCompile(`(?m)^\s+"[^"\n]+"\n`)
	service       = regexp.MustCompile(`(?m)^\s+\{ service: .*\}\n`)
	mapped        = regexp.MustCompile(`(?m)^\s+"telephony\.trusted\.[^"\n]+": "[^"\n]+"\n`)
	tokenPosition = regexp.MustCompile(`, account_token_position: \d+`)
	exportedTo    = regexp.MustCompile(`, accounts: \[[^\]]*\]`)
	streamed      = regexp.MustCompile(`, response_type: stream`)
	limit         = regexp.MustCompile(`max_[a-z]+: \d+,?`)
	setting       = regexp.MustCompile(`(?m)^  sync_interval: always\n|max_inflight_[a-z]+: \d+,|timeout: 5s|^http: .*\n`)
	anyAPI        = regexp.MustCompile(`subject: "telephony\.trusted\.api\.[^"]+" \}, to: "[^"]+"`)
	oneNext       = regexp.MustCompile(`telephony\.trusted\.next\.TELEPHONY_EVENTS\.\*" \}, to: "\$JS\.telephony\.API\.CONSUMER\.MSG\.NEXT\.TELEPHONY_EVENTS\.\*`)
	ownEvents     = regexp.MustCompile(`(?m)^.*telephony\.events\..*\n`)
)

func mutations() (all []mutation) {
	base := shipped()
	in := func(file string) (string, func(string) conf) {
		if file == "organization.conf" {
			return base.organization, func(text string) conf {
				c := base.clone()
				c.organization = text
				return c
			}
		}
		return base.files[file], func(text string) conf {
			c := base.clone()
			c.files[file] = text
			return c
		}
	}
	// each applies a change to each place that a pattern finds.
	each := func(file, what string, pattern *regexp.Regexp, by notice, change func(string) string) {
		text, with := in(file)
		for _, at := range pattern.FindAllStringIndex(text, -1) {
			was := text[at[0]:at[1]]
			all = append(all, mutation{
				what: fmt.Sprintf("%s:%d: %s %s", file, 1+strings.Count(text[:at[0]], "\n"), what, strings.TrimSpace(was)),
				conf: with(text[:at[0]] + change(was) + text[at[1]:]), by: by,
			})
		}
	}
	gone := func(string) string { return "" }
	for _, file := range []string{"access.conf", "organization.conf"} {
		each(file, "without", allowed, byNeeds, gone)
		each(file, "without", service, byNeeds, gone)
		each(file, "without", mapped, byNeeds, gone)
		each(file, "once, not", streamed, byNeeds, gone)
		each(file, "without", tokenPosition, byIntruders, gone)
		each(file, "for everybody, not", exportedTo, byIntruders, gone)
		each(file, "without", limit, byExcess, gone)
		each(file, "anything for", allowed, byAttacks, func(string) string { return "            \">\"\n" })
		each(file, "all of the API for", anyAPI, byAttacks, func(string) string {
			return `subject: "telephony.trusted.api.>" }, to: "$JS.telephony.API.>"`
		})
		each(file, "any stream for", oneNext, byAttacks, func(string) string {
			return `telephony.trusted.next.*.*" }, to: "$JS.telephony.API.CONSUMER.MSG.NEXT.*.*`
		})
	}
	each("organization.conf", "any organization in", service, byAttacks, func(was string) string {
		return strings.ReplaceAll(was, "ORGANIZATION", "*")
	})
	each("organization.conf", "any organization's", ownEvents, byAttacks, func(was string) string {
		return strings.ReplaceAll(was, ".ORGANIZATION.", ".*.")
	})
	each("nats.conf", "without", setting, byNeeds, gone)
	text, with := in("access.conf")
	for block, by := range map[string]notice{"permissions {": byAttacks, "publish {": byNeeds, "subscribe {": byAttacks, "allow_responses: true": byNeeds} {
		all = append(all, mutation{what: "access.conf: the worker without " + block, conf: with(without(text, block)), by: by})
	}
	return append(all, merged(base)...)
}

// without removes a block with all that is in its braces, or a line.
func without(text, beginning string) string {
	at := strings.Index(text, beginning)
	if at < 0 {
		panic("there is no " + beginning)
	}
	end := at + len(beginning)
	for depth := strings.Count(beginning, "{"); depth > 0; end++ {
		switch text[end] {
		case '{':
			depth++
		case '}':
			depth--
		}
	}
	return text[:at] + text[end:]
}

var (
	accountBlock = regexp.MustCompile(`(?ms)^"([^"\n]+)" \{\n.*?^\}\n`)
	accountUser  = regexp.MustCompile(`nkey: (\S+) `)
	importTo     = regexp.MustCompile(`subject: "([^"]+)" \}(?:, to: "([^"]+)")?`)
)

// merged has one account less: its user in the platform's account, with
// permissions for what the account imports. There a permission is asked for after
// the mapping of the domain.
func merged(base conf) (all []mutation) {
	const users = "  users: [\n"
	move := func(account, api string) (user string) {
		name := accountUser.FindStringSubmatch(account)[1]
		var subjects []string
		for _, i := range importTo.FindAllStringSubmatch(account, -1) {
			to := i[2]
			if to == "" {
				to = i[1]
			}
			subjects = append(subjects, strconv.Quote(strings.Replace(to, "$JS.telephony.API.", api, 1)))
		}
		return fmt.Sprintf("{ nkey: %s, permissions { publish { allow: [ %s ] }, subscribe { allow: [ \"_INBOX.>\" ] } } }\n", name, strings.Join(subjects, ", "))
	}
	const domain = "  mappings {\n    \"$JS.telephony.API.>\": \"$JS.API.>\"\n"
	for _, found := range accountBlock.FindAllStringSubmatch(base.files["access.conf"], -1) {
		if found[1] == account {
			continue
		}
		c := base.clone()
		text := strings.Replace(c.files["access.conf"], found[0], "", 1)
		// who exports to an account that is not there
		text = strings.ReplaceAll(text, ", \""+found[1]+"\"", "")
		text = strings.ReplaceAll(text, "\""+found[1]+"\", ", "")
		text = regexp.MustCompile(`(?m)^.*\["`+regexp.QuoteMeta(found[1])+`"\].*\n`).ReplaceAllString(text, "")
		text = strings.Replace(text, users, users+move(found[0], "$JS.API."), 1)
		c.files["access.conf"] = strings.Replace(text, "  mappings {\n", domain, 1)
		all = append(all, mutation{what: "access.conf: " + found[1] + " in the platform's account", conf: c, by: byAttacks})
	}
	accounts := accountBlock.FindAllString(base.organization, -1)
	// producer and consumer of an organization in one account
	c := base.clone()
	text := base.organization
	imports := strings.Join(service.FindAllString(accounts[1], -1), "")
	text = strings.Replace(text, accounts[1], "", 1)
	text = strings.Replace(text, "  imports: [\n", "  imports: [\n"+imports, 1)
	text = strings.Replace(text, "users: [ { nkey: PRODUCER_NKEY } ]", "users: [\n"+move(accounts[0], "$JS.telephony.API.")+move(accounts[1], "$JS.telephony.API.")+"]", 1)
	c.organization = text
	c.files["access.conf"] = tokenPosition.ReplaceAllString(c.files["access.conf"], "")
	all = append(all, mutation{what: "organization.conf: producer and consumer in one account", conf: c, by: byAttacks})
	// organizations in the platform's account
	c = base.clone()
	c.organization = "\n\n"
	c.platformUsers = move(accounts[0], "$JS.API.") + move(accounts[1], "$JS.API.")
	c.files["access.conf"] = strings.Replace(c.files["access.conf"], "  mappings {\n", domain, 1)
	return append(all, mutation{what: "organization.conf: all in the platform's account", conf: c, by: byAttacks})
}

// intruders are imports that the server must refuse to an organization's
// accounts.
func intruders() map[string][]string {
	acmes, globexs := consumerOf(acme), consumerOf(globex)
	return map[string][]string{
		acme: {
			"telephony.commands." + globex + ".connect-provider", "telephony.commands.*.connect-provider",
			"telephony.bulk." + globex + ".connect-provider", "telephony.outcomes." + globex, "telephony.outcomes.*",
			"telephony.previews." + globex, "telephony.previews.*", "telephony.trusted.previews." + acme,
			"telephony.commands.7." + acme + ".connect-provider", "telephony.events.c0." + acme + ".provider-connected", "telephony.>",
			"telephony.trusted.commands." + acme, "telephony.trusted.bulk." + acme, "telephony.trusted.outcomes." + acme,
			"telephony.trusted.api.STREAM.INFO.TELEPHONY_EVENTS", "telephony.trusted.next.TELEPHONY_EVENTS.x", "telephony.workers", "$SRV.PING",
			"$JS.API.STREAM.PURGE.TELEPHONY_COMMANDS", "$JS.API.>",
		},
		acmes: {
			"$JS.API.CONSUMER.CREATE.TELEPHONY_EVENTS." + globexs + ".telephony.events.*." + acme + ".>",
			"$JS.API.CONSUMER.INFO.TELEPHONY_EVENTS." + globexs, "$JS.API.CONSUMER.MSG.NEXT.TELEPHONY_EVENTS." + globexs,
			"$JS.ACK.TELEPHONY_EVENTS." + globexs + ".>", "$JS.API.CONSUMER.DELETE.TELEPHONY_EVENTS." + acmes,
			"$JS.API.CONSUMER.CREATE.TELEPHONY_COMMANDS." + acmes + ".telephony.commands.*." + acme + ".>",
		},
	}
}

// admitsIntruder reports the first import of another's subject that the server
// would load.
func (c conf) admitsIntruder(dir string) error {
	i := 0
	for name, subjects := range intruders() {
		for _, subject := range subjects {
			i++
			if err := c.loadsWith(filepath.Join(dir, strconv.Itoa(i)), name, subject); err == nil {
				return fmt.Errorf("the server lets %s import %s", name, subject)
			}
		}
	}
	return nil
}

// loadsWith adds an import to an account, and returns the server's refusal.
func (c conf) loadsWith(dir, name, subject string) error {
	c = c.clone()
	c.patch = func(accounts string) string {
		head := fmt.Sprintf("%q {\n", name)
		before, after, ok := strings.Cut(accounts, head)
		if !ok {
			return accounts
		}
		return before + head + strings.Replace(after, "imports: [\n",
			fmt.Sprintf("imports: [\n    { service: { account: %q, subject: %q } }\n", account, subject), 1)
	}
	_, err := c.options(dir, "nats.conf")
	return err
}

func TestTheServerRefusesImportsOfOthersSubjects(t *testing.T) {
	t.Parallel()
	if err := shipped().admitsIntruder(t.TempDir()); err != nil {
		t.Error(err)
	}
	// in the same way an import can be added that is allowed
	c := shipped()
	c.organization = strings.Replace(c.organization, "{ service: { account: \"telephony.platform\", subject: \"telephony.outcomes.ORGANIZATION\" } }", "", 1)
	if err := c.loadsWith(t.TempDir(), acme, "telephony.outcomes."+acme); err != nil {
		t.Error(err)
	}
}
