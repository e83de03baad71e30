package arena

import (
	"fmt"
	"net"
	"strconv"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/local"
)

// gatewayWait is how long a gateway's requests wait for their outcome.
const gatewayWait = "3s"

// Gateway is a REST gateway's process, with lines of its own to both servers. It
// can be harmed as a worker can.
type Gateway struct {
	Worker
	url string
}

func (a *Arena) newGateway(n int) (*Gateway, error) {
	port, err := local.FreePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	g := &Gateway{url: "http://" + address}
	g.Name, g.arena, g.Commits, g.Acks = fmt.Sprintf("gateway-%d", n+1), a, &faults.Commits{}, &faults.Acks{}
	g.args = []string{"gateway", "--listen", "", "--api", address, "--wait", gatewayWait, "--drain-timeout", "6s"}
	return g, g.connect()
}
