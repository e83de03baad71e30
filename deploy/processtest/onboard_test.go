package processtest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"connect-provider/deploy/systemtest"
)

const (
	onboardRows  = 9000
	onboardKills = 10
)

// TestOnboardingIsKilled: a file is predicted and run, connectctl killed at random
// moments, and what it works with in between.
func TestOnboardingIsKilled(t *testing.T) {
	r := seed(t)
	s := newService(t)
	s.loadSites()
	w := s.work()
	w.awaitReady()
	o := s.newOnboarding(r)
	predicted := o.predict()
	decided := func(n int) {
		systemtest.Eventually(t, fmt.Sprintf("%d decided rows", n), func() error {
			have := s.count(`select count(*) from connect_provider.inbox`)
			if have >= n {
				return nil
			}
			o.running()
			return fmt.Errorf("%d are", have)
		})
	}
	const total = onboardRows / 2 // or a few more: rows that say the same are decided once
	for i := range onboardKills {
		had := s.count(`select count(*) from connect_provider.inbox`)
		o.start("--rate", "1500", "--max-in-flight", "400")
		step := max(0, total-had) / (onboardKills - i + 2)
		first := had + r.IntN(step+1)
		at := first + r.IntN(step+1)
		decided(first)
		switch i % 4 {
		case 1:
			t.Logf("kill -9 of NATS after %d rows", first)
			s.nats.Kill()
			s.nats.Start()
		case 2:
			t.Logf("kill -9 of Postgres after %d rows", first)
			s.postgres.Kill()
			s.postgres.Start()
		case 3:
			t.Logf("kill -9 of the worker after %d rows", first)
			w.kill()
			w.start()
		}
		decided(at)
		t.Logf("kill -9 of connectctl after %d rows", at)
		o.kill()
		o.harm(r)
	}
	o.start()
	if code := o.wait(); code != 3 {
		t.Fatalf("the last run ended with %d\n%s", code, o.log.String())
	}
	o.check(predicted)
	o.checkAgain()
	w.stop()
}

// loadSites writes the platform's side: organizations that share no numbers.
func (s *service) loadSites() {
	s.t.Helper()
	for i, h := range sites {
		s.exec(`insert into telephony.organizations values ($1, true)`, h)
		s.exec(`insert into telephony.bridges select $1, 'b-' || n from generate_series(0, 199) n`, h)
		s.exec(`insert into telephony.provider_configurations values ($1, 1, 'twilio', true), ($1, 2, 'plivo', true), ($1, 3, 'telnyx', false)`, h)
		s.exec(`insert into telephony.phone_numbers select $2 || lpad(n::text, 6, '0'), $1, case when n % 10 = 0 then 2 else 1 end, n % 50 <> 7 from generate_series(0, 3999) n`,
			h, fmt.Sprintf("+17%d", i))
	}
}

var sites = []string{"north", "west.example", "south"}

// onboarding is a file that connectctl runs as a process.
type onboarding struct {
	s     *service
	file  string
	cmd   *exec.Cmd
	log   *strings.Builder
	ended chan error
}

func (s *service) newOnboarding(r *rand.Rand) *onboarding {
	o := &onboarding{s: s, file: filepath.Join(s.t.TempDir(), "numbers.csv"), log: &strings.Builder{}}
	var text strings.Builder
	text.WriteString("row;org_handle;bridge_slug;provider_config_id;phone_number;command_id\n")
	var rows []string
	for n := range onboardRows {
		row := siteRow(r, n)
		if len(rows) > 0 && r.IntN(12) == 0 {
			row = rows[r.IntN(len(rows))] // says what an earlier one says
		}
		rows = append(rows, row)
		fmt.Fprintf(&text, "\"row %d\n\";%s\n", n+1, row)
	}
	if err := os.WriteFile(o.file, []byte(text.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if o.cmd != nil && o.cmd.ProcessState == nil {
			_ = o.cmd.Process.Kill() // it has ended already where all went well
		}
		if s.t.Failed() {
			s.t.Logf("connectctl said at last:\n%s", o.log.String())
		}
	})
	return o
}

// siteRow is a row of which most can be connected, and some meet every rule.
func siteRow(r *rand.Rand, n int) string {
	site := r.IntN(len(sites))
	number := n / 3 % 4000
	bridge, configuration, phone, id := fmt.Sprintf("b-%d", number%200), 1, fmt.Sprintf("+17%d%06d", site, number), ""
	if number%10 == 0 {
		configuration = 2
	}
	switch r.IntN(25) {
	case 0:
		bridge = "none"
	case 1:
		phone = strings.TrimPrefix(phone, "+")
	case 2:
		configuration = r.IntN(5)
	case 3:
		bridge = fmt.Sprintf("b-%d", r.IntN(200)) // perhaps in use there
	case 4:
		id = fmt.Sprintf("own-%d", r.IntN(60)) // perhaps used before
	case 5:
		return fmt.Sprintf("%s;%s;%d;%s", sites[site], bridge, configuration, phone) // cells are missing
	}
	return fmt.Sprintf("%s;%s;%d;%s;%s", sites[site], bridge, configuration, phone, id)
}

func (o *onboarding) command(args ...string) *exec.Cmd {
	args = append([]string{"onboard", o.file, "--report", "all", "--format", "jsonl"}, args...)
	return o.s.commandOf(filepath.Join(filepath.Dir(o.s.binary), "connectctl"), args...)
}

// predict asks what would come of each row.
func (o *onboarding) predict() []siteReport {
	o.s.t.Helper()
	out, err := o.command("--dry-run").Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		o.s.t.Fatalf("dry run: %v\n%s", err, out)
	}
	if n := o.s.count(`select count(*) from connect_provider.inbox`); n != 0 {
		o.s.t.Fatalf("a dry run has decided %d commands", n)
	}
	return o.reports(string(out))
}

func (o *onboarding) start(args ...string) {
	o.s.t.Helper()
	o.cmd = o.command(args...)
	o.log.Reset()
	o.cmd.Stderr = o.log
	if err := o.cmd.Start(); err != nil {
		o.s.t.Fatal(err)
	}
	o.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan error) { ended <- cmd.Wait() }(o.cmd, o.ended)
}

// running fails the test if connectctl has ended by itself.
func (o *onboarding) running() {
	o.s.t.Helper()
	select {
	case err := <-o.ended:
		o.ended <- err
		o.s.t.Fatalf("connectctl has ended by itself: %v\n%s", err, o.log.String())
	default:
	}
}

func (o *onboarding) kill() {
	_ = o.cmd.Process.Kill() // that it had ended by itself, running tells
	<-o.ended
}

func (o *onboarding) wait() int {
	<-o.ended
	return o.cmd.ProcessState.ExitCode()
}

// harm does to the state file what a disk can do, now and then.
func (o *onboarding) harm(r *rand.Rand) {
	o.s.t.Helper()
	state := o.file + ".onboard"
	info, err := os.Stat(state)
	if errors.Is(err, os.ErrNotExist) {
		return // it was killed before it had begun
	}
	if err != nil {
		o.s.t.Fatal(err)
	}
	switch r.IntN(4) {
	case 0:
		o.s.t.Log("the state file is lost")
		err = os.Remove(state)
	case 1:
		size := r.Int64N(info.Size() + 1)
		o.s.t.Logf("the state file is cut from %d to %d bytes", info.Size(), size)
		err = os.Truncate(state, size)
	}
	if err != nil {
		o.s.t.Fatal(err)
	}
}

// siteReport is a row of a report.
type siteReport struct {
	Row     string `json:"row"`
	Org     string `json:"org_handle"`
	Bridge  string `json:"bridge_slug"`
	Config  string `json:"provider_config_id"`
	Phone   string `json:"phone_number"`
	Outcome string `json:"onboard_outcome"`
	ID      string `json:"onboard_command_id"`
	Code    string `json:"failure_code"`
}

func (o *onboarding) reports(text string) (reports []siteReport) {
	o.s.t.Helper()
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		var report siteReport
		if err := json.Unmarshal(lines.Bytes(), &report); err != nil {
			o.s.t.Fatalf("%v\n%s", err, lines.Text())
		}
		reports = append(reports, report)
	}
	if len(reports) != onboardRows {
		o.s.t.Fatalf("%d rows are reported, of %d", len(reports), onboardRows)
	}
	return reports
}

// kept is what the inbox has of a command.
type kept struct {
	bridge, phone, code string
	config              int64
}

// check compares the report with the file, with the database, and with what was
// predicted.
func (o *onboarding) check(predicted []siteReport) {
	t := o.s.t
	t.Helper()
	text, err := os.ReadFile(o.file + ".outcomes.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	reports := o.reports(string(text))
	decided, connections := o.database()
	connected := map[string]bool{}
	codes := map[string]int{}
	wrong := 0
	fail := func(format string, args ...any) {
		if wrong++; wrong <= 20 {
			t.Errorf(format, args...)
		}
	}
	for i, report := range reports {
		if report.Row != fmt.Sprintf("row %d\n", i+1) {
			t.Fatalf("%q stands in place %d", report.Row, i+1)
		}
		codes[report.Code]++
		inbox, known := decided[strings.ReplaceAll(report.Org, ".", "%2E")+" "+report.ID]
		same := known && inbox.bridge == report.Bridge && inbox.phone == report.Phone && fmt.Sprint(inbox.config) == report.Config
		switch {
		case report.ID == "":
			if report.Code != "malformed_command" && report.Code != "phone_number_invalid" {
				fail("row %d has no command, but %q", i+1, report.Code)
			}
		case !known:
			fail("row %d is reported, and its command %s was never decided", i+1, report.ID)
		case !same:
			if report.Code != "command_id_reused" {
				fail("row %d: reported %q, its id was used before", i+1, report.Code)
			}
		case inbox.code != report.Code || (report.Outcome == "connected") != (inbox.code == ""):
			fail("row %d: reported %s %q, in the database it is %q", i+1, report.Outcome, report.Code, inbox.code)
		}
		if report.Outcome == "connected" {
			connected[report.Phone] = true
			if connections[report.Phone] != report.Bridge {
				fail("row %d: reported as connected to %s, the database has %q", i+1, report.Bridge, connections[report.Phone])
			}
		}
		if p := predicted[i]; p.Outcome != report.Outcome || p.Code != report.Code || p.ID != report.ID {
			fail("row %d: predicted %s %q, came out %s %q", i+1, p.Outcome, p.Code, report.Outcome, report.Code)
		}
	}
	if len(connected) != len(connections) {
		t.Errorf("%d numbers are reported as connected, the database has %d", len(connected), len(connections))
	}
	counted := o.s.count(`select sum(commands)::int from connect_provider.job_outcomes`)
	if rows := o.s.count(`select count(*)::int from connect_provider.inbox`); rows != counted {
		t.Errorf("%d outcomes are counted for the job, the inbox has %d", counted, rows)
	}
	t.Logf("outcomes: %v", codes)
	if len(codes) < 8 {
		t.Errorf("too few kinds of outcomes: %v", codes)
	}
}

func (o *onboarding) database() (decided map[string]kept, connections map[string]string) {
	decided, connections = map[string]kept{}, map[string]string{}
	o.s.onDatabase(func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `select org_token || ' ' || key, bridge_slug, provider_config_id, phone_number, coalesce(failure_code, '')
			from connect_provider.inbox where key not like '@%'`)
		if err != nil {
			return err
		}
		var key string
		var k kept
		if _, err := pgx.ForEachRow(rows, []any{&key, &k.bridge, &k.config, &k.phone, &k.code}, func() error {
			decided[key] = k
			return nil
		}); err != nil {
			return err
		}
		if rows, err = conn.Query(ctx, `select phone_number, bridge_slug from connect_provider.connections`); err != nil {
			return err
		}
		var phone, bridge string
		_, err = pgx.ForEachRow(rows, []any{&phone, &bridge}, func() error {
			connections[phone] = bridge
			return nil
		})
		return err
	})
	return decided, connections
}

// checkAgain runs the file once more: nothing is decided, and the failed rows are
// reported as before.
func (o *onboarding) checkAgain() {
	o.s.t.Helper()
	before := o.s.count(`select count(*) from connect_provider.inbox`)
	commands := o.s.size("TELEPHONY_BULK")
	failed, err := os.ReadFile(o.file + ".failed.jsonl")
	if err != nil {
		o.s.t.Fatal(err)
	}
	o.start()
	if code := o.wait(); code != 3 {
		o.s.t.Fatalf("the same file again ended with %d\n%s", code, o.log.String())
	}
	again, err := os.ReadFile(o.file + ".failed.jsonl")
	if err != nil {
		o.s.t.Fatal(err)
	}
	if string(failed) != string(again) {
		o.s.t.Error("the same file again has another report")
	}
	if n := o.s.count(`select count(*) from connect_provider.inbox`); n != before || o.s.size("TELEPHONY_BULK") != commands {
		o.s.t.Errorf("the same file again: %d more decided, %d more published", n-before, o.s.size("TELEPHONY_BULK")-commands)
	}
}
