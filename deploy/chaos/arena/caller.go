package arena

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"connect-provider/deploy/chaos/judge"
	"connect-provider/deploy/chaos/load"
	"connect-provider/messages"
)

// callTimeout is longer than any answer of a gateway may take.
const callTimeout = 30 * time.Second

// caller is the client of all callers. A line that breaks is the gateway's end.
var caller = &http.Client{Timeout: callTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: producers * atOnce}}

// call makes a request to one of the gateways. It is done when the answer is an
// outcome, or says that the command was accepted; after any other, and where
// none came, the caller tries again with the same key. Half of them leave it at
// a 503.
func (p *Producers) call(ctx context.Context, c load.Command) (done bool, err error) {
	a := judge.Answered{Token: c.Intent.Token, ID: c.Intent.ID, Body: c.Body, Began: time.Now()}
	err = p.request(ctx, c, &a)
	if ctx.Err() != nil {
		return false, ctx.Err() // it is not the gateway's fault
	}
	a.At = time.Now()
	p.mu.Lock()
	p.answers = append(p.answers, a)
	p.mu.Unlock()
	switch {
	case err != nil:
		p.arena.Journal.Count("requests without an answer", 1)
		return false, err
	case a.Status == http.StatusServiceUnavailable && givesUp(c):
		return true, nil
	case a.Status == http.StatusServiceUnavailable || a.Code == "acceptance_unknown":
		return false, fmt.Errorf("answered %d %s", a.Status, a.Code)
	}
	return true, nil
}

// givesUp tells whether a caller leaves it at being told that nothing was
// accepted: then there must be nothing.
func givesUp(c load.Command) bool {
	hash := fnv.New32a()
	_, _ = hash.Write(c.Body)
	return hash.Sum32()%2 == 0
}

func (p *Producers) request(ctx context.Context, c load.Command, a *judge.Answered) error {
	body, err := json.Marshal(map[string]any{"provider_config_id": c.Intent.Configuration, "phone_number": c.Intent.Phone})
	if err != nil {
		return err
	}
	organization := messages.OrganizationFromToken(c.Intent.Token)
	g := p.arena.Gateways[rand.IntN(len(p.arena.Gateways))]
	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		g.url+"/api/v2/platform/telephony/bridges/"+url.PathEscape(c.Intent.Bridge)+"/connect-provider/", strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	request.Header = http.Header{
		"Authorization": {"Token " + load.APIToken(organization.Handle)}, "Org-Handle": {organization.Handle},
		"Content-Type": {"application/json"}, "Idempotency-Key": {c.Intent.ID},
	}
	if parent := c.Header.Get("traceparent"); parent != "" {
		request.Header.Set("traceparent", parent)
	}
	a.Gateway = g.Name
	response, err := caller.Do(request)
	if err == nil {
		var text []byte
		text, err = io.ReadAll(response.Body)
		_ = response.Body.Close() // it was read to its end
		if err == nil {
			a.Status, a.Answer = response.StatusCode, text
			var told struct {
				Data struct{ Code string }
			}
			if json.Unmarshal(text, &told) == nil {
				a.Code = told.Data.Code
			}
		}
	}
	var failure net.Error
	a.Hung = errors.As(err, &failure) && failure.Timeout()
	return err
}
