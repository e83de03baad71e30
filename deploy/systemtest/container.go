package systemtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tcexec "github.com/testcontainers/testcontainers-go/exec"
)

// Labels tell which test process a container belongs to, so that those of a
// killed process can be found.
const (
	pidLabel  = "connect-provider.test.pid"
	hostLabel = "connect-provider.test.host"
)

// containersUsable tells how to get a container engine where none answers.
func containersUsable() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	docker, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err == nil {
		defer func() { _ = docker.Close() }()
		_, err = docker.Ping(ctx, client.PingOptions{})
	}
	if err != nil {
		return fmt.Errorf("no container engine answers (start Docker, or set DOCKER_HOST): %w", err)
	}
	return nil
}

func runContainer(ctx context.Context, request testcontainers.ContainerRequest) (testcontainers.Container, error) {
	removeAbandonedContainers(ctx)
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	request.Labels = map[string]string{pidLabel: strconv.Itoa(os.Getpid()), hostLabel: host}
	c, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{
		ContainerRequest: request, Started: true, Logger: quiet{},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("container of %s: %w", request.Image, err), removeContainer(c))
	}
	return c, nil
}

// quiet drops testcontainers' progress messages.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

func removeContainer(c testcontainers.Container) error {
	return testcontainers.TerminateContainer(c, testcontainers.StopTimeout(0))
}

func killContainer(ctx context.Context, c testcontainers.Container) error {
	docker, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = docker.Close() }()
	if _, err := docker.ContainerKill(ctx, c.GetContainerID(), client.ContainerKillOptions{Signal: "KILL"}); err != nil {
		return err
	}
	waited := docker.ContainerWait(ctx, c.GetContainerID(), client.ContainerWaitOptions{})
	select {
	case <-waited.Result:
		return nil
	case err := <-waited.Error:
		return err
	}
}

// containerShell runs a shell script in the container.
func containerShell(ctx context.Context, c testcontainers.Container, user, script string, args ...string) (string, error) {
	code, out, err := c.Exec(ctx, append([]string{"sh", "-c", script, "sh"}, args...), tcexec.WithUser(user), tcexec.Multiplexed())
	if err != nil {
		return "", err
	}
	said, err := io.ReadAll(out)
	if err != nil {
		return "", err
	}
	if code != 0 {
		return "", fmt.Errorf("in the container: exit code %d: %s", code, said)
	}
	return strings.TrimSpace(string(said)), nil
}

// containerHost is where ports of containers appear.
var containerHost = sync.OnceValue(func() string {
	provider, err := testcontainers.NewDockerProvider()
	if err == nil {
		defer func() { _ = provider.Close() }()
		var host string
		if host, err = provider.DaemonHost(context.Background()); err == nil {
			return host
		}
	}
	return "127.0.0.1"
})

var abandonedOnce sync.Once

// removeAbandonedContainers removes those of test processes of this machine
// that are gone. testcontainers' own reaper does so too where it is enabled.
func removeAbandonedContainers(ctx context.Context) {
	abandonedOnce.Do(func() {
		host, err := os.Hostname()
		if err != nil {
			return
		}
		docker, err := testcontainers.NewDockerClientWithOpts(ctx)
		if err != nil {
			return
		}
		defer func() { _ = docker.Close() }()
		list, err := docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", hostLabel+"="+host)})
		if err != nil {
			return
		}
		for _, c := range list.Items {
			if pid, err := strconv.Atoi(c.Labels[pidLabel]); err == nil && !processAlive(pid) {
				// Another process may be removing it as well.
				_, _ = docker.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
			}
		}
	})
}

func processAlive(pid int) bool {
	process, err := os.FindProcess(pid)
	return err == nil && !errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
