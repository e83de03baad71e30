package main

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"connect-provider/deploy/systemtest"
)

func TestDevLosesNothing(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	_, stderr := runs(t, 1, "tokens", "demo", "--data", data)
	contains(t, stderr, "dev` makes it")
	args := []string{"dev", "--data", data, "--nats", "127.0.0.1:0", "--gateway", "127.0.0.1:0", "--database-url", systemtest.Database(t)}
	publish := func(url, id string) string {
		t.Helper()
		out, _ := runs(t, 0, "publish", "--server", url, "--org", "acme", "--bridge", "sales-bridge-001",
			"--provider-config", "42", "--phone", "+1234567890", "--id", id, "--wait", "30s")
		return out
	}

	first := startDev(t, args)
	contains(t, publish(first.url, "one"), "as sequence 1 of", "connected")
	first.connects(t, 200)
	if out, _ := runs(t, 0, "tokens", "demo", "--data", data); out != first.token+"\n" {
		t.Errorf("the demo token is %q, printed was %q", out, first.token)
	}
	if err := first.end(t, syscall.SIGKILL); err == nil {
		t.Error("kill -9 was an orderly end")
	}

	second := startDev(t, args)
	if second.url != first.url {
		t.Errorf("the URL changed from %s to %s", first.url, second.url)
	}
	if second.token != first.token {
		t.Error("the demo token changed")
	}
	second.connects(t, 200)
	contains(t, publish(second.url, "one"), "as sequence 3 of", "decided before, nothing was done now")
	contains(t, publish(second.url, "two"), "as sequence 4 of", "as it was already")
	if err := second.end(t, os.Interrupt); err != nil {
		t.Errorf("an interrupt is an orderly end: %v", err)
	}

	third := startDev(t, append(args, "--gateway="))
	if third.rest != "" || third.token != "" {
		t.Errorf("a gateway that was not wanted is at %s", third.rest)
	}
	contains(t, publish(third.url, "two"), "as sequence 5 of", "decided before")
	if err := third.end(t, syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM is an orderly end: %v", err)
	}
}

// devProcess is `connectctl dev` as a process.
type devProcess struct {
	command     *exec.Cmd
	url         string
	rest, token string
}

var readyLine = regexp.MustCompile(`^ready  NATS (nats://\S+)  database '(postgres://\S+)'(?:  REST (http://\S+)  token (\S+))?  publish with: nats .* pub --jetstream telephony\.commands\.acme\.connect-provider '\{.*\}'$`)

func startDev(t *testing.T, args []string) *devProcess {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(executable, args...)
	command.Env = append(os.Environ(), asProgram+"=1")
	stderr := &output{}
	command.Stderr = stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	found := readyLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
	if found == nil {
		t.Fatalf("no ready line but %q (%v)\n%s", line, err, stderr.String())
	}
	return &devProcess{command: command, url: found[1], rest: found[3], token: found[4]}
}

// connects makes the document's call under a key, and demands a status.
func (d *devProcess) connects(t *testing.T, want int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.rest+"/api/v2/platform/telephony/bridges/sales-bridge-001/connect-provider/",
		strings.NewReader(`{"provider_config_id": 42, "phone_number": "+1234567890"}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Authorization": "Token " + d.token, "Org-Handle": "acme", "Content-Type": "application/json", "Idempotency-Key": "by-rest",
	} {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it is not read
	if response.StatusCode != want {
		t.Errorf("answered %s", response.Status)
	}
}

// end sends a signal and returns how the process ended.
func (d *devProcess) end(t *testing.T, signal os.Signal) error {
	t.Helper()
	if err := d.command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	return d.command.Wait()
}

func TestDevNamesTheWayOutOfATakenPort(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // the test is over
	taken := listener.Addr().String()
	_, stderr := runs(t, 1, "dev", "--data", t.TempDir(), "--nats", taken, "--database-url", "postgres://127.0.0.1:1/nobody")
	contains(t, stderr, "address already in use", "--nats 127.0.0.1:0")
	_, stderr = runs(t, 1, "dev", "--data", t.TempDir(), "--nats", "127.0.0.1:0", "--gateway", taken, "--database-url", "postgres://127.0.0.1:1/nobody")
	contains(t, stderr, "address already in use", "--gateway 127.0.0.1:0")
}
