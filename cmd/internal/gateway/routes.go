package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"connect-provider/messages"
)

const (
	platformPath = "/api/v2/platform/"
	connectPath  = platformPath + "telephony/bridges/{slug}/connect-provider/"
	commandsPath = platformPath + "telephony/commands/"
	commandPath  = commandsPath + "{command_id}/"
	openAPIPath  = platformPath + "openapi.json"
)

// route is what one path does.
type route struct {
	name, method, path string
	serve              func(context.Context, *exchange) answer
}

// routes are all there are, each with and without the slash at its end.
func (g *Gateway) routes() []route {
	return []route{
		{"connect", http.MethodPost, connectPath, g.serveConnect},
		{"command", http.MethodGet, commandPath, g.serveCommand},
		{"openapi", http.MethodGet, openAPIPath, nil},
	}
}

// Handler returns what answers the requests. Run serves it.
func (g *Gateway) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range g.routes() {
		handler := g.handle(r)
		mux.Handle(strings.TrimSuffix(r.path, "/"), handler)
		if strings.HasSuffix(r.path, "/") {
			mux.Handle(r.path+"{$}", handler)
		}
	}
	mux.Handle("/", g.handle(route{name: "none", serve: func(context.Context, *exchange) answer {
		return refused(http.StatusNotFound, codeNotFound, "There is nothing at this path; "+openAPIPath+" tells what there is.")
	}}))
	return mux
}

// exchange is a request under way, with what its line in the log tells.
type exchange struct {
	request      *http.Request
	id           string
	organization string
	command      string
}

// handle is what all routes share: the request's id, its span, its line in the
// log, its place in the metrics, and an answer where the code has a defect.
func (g *Gateway) handle(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		began := time.Now()
		g.metrics.inFlight.Inc()
		defer g.metrics.inFlight.Dec()
		x := &exchange{request: request, id: requestID(request.Header)}
		w.Header().Set("X-Request-Id", x.id)
		ctx := propagation.TraceContext{}.Extract(request.Context(), propagation.HeaderCarrier(request.Header))
		ctx, span := g.tracer.Start(ctx, strings.TrimSpace(r.method+" "+r.path), trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("http.request.method", methodOf(request)), attribute.String("http.route", r.path)))
		defer span.End()
		a := g.serve(ctx, r, x)
		status := a.status
		if request.Context().Err() != nil {
			status = statusGone
		}
		if x.command != "" {
			w.Header().Set("Command-Id", x.command)
		}
		if a.status == http.StatusOK && r.serve == nil {
			writeOpenAPI(w)
		} else {
			a.write(w)
		}
		took := time.Since(began)
		g.metrics.answered(r.name, status, took)
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, string(a.code))
		}
		g.logger.Info("answered", zap.String("request_id", x.id), zap.String("route", r.name), zap.Int("status", status),
			text("code", string(a.code)), text("organization", x.organization), text("command_id", x.command), zap.Duration("took", took), zap.Error(a.cause))
	})
}

// statusGone is what others log where the caller has hung up.
const statusGone = 499

// text is a field that is left out where it is empty.
func text(name, value string) zap.Field {
	if value == "" {
		return zap.Skip()
	}
	return zap.String(name, value)
}

// serve answers a request of a route; what does not fit the route, at once.
func (g *Gateway) serve(ctx context.Context, r route, x *exchange) (a answer) {
	defer func() {
		if defect := recover(); defect != nil {
			g.logger.Error("a defect in the gateway", zap.String("request_id", x.id), zap.Any("panic", defect), zap.ByteString("stack", debug.Stack()))
			a = refused(http.StatusInternalServerError, messages.InternalError, "The gateway has failed; its log tells how, under this request's id.")
			if x.command != "" {
				a.data = errorData{messages.InternalError, x.command}
			}
		}
	}()
	if r.method != "" && x.request.Method != r.method && !(r.method == http.MethodGet && x.request.Method == http.MethodHead) {
		return answer{status: http.StatusMethodNotAllowed, code: codeMethodNotAllowed, allow: r.method,
			message: fmt.Sprintf("This path takes %s.", r.method), data: errorData{Code: codeMethodNotAllowed}}
	}
	if r.serve == nil {
		return answer{status: http.StatusOK}
	}
	return r.serve(ctx, x)
}

// serveConnect is the document's call.
func (g *Gateway) serveConnect(ctx context.Context, x *exchange) answer {
	kind, _, err := mime.ParseMediaType(x.request.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return refused(http.StatusUnsupportedMediaType, codeUnsupportedMedia, "Send the body as JSON, with the header Content-Type: application/json.")
	}
	content, err := io.ReadAll(http.MaxBytesReader(nil, x.request.Body, messages.MaxBody))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return refused(http.StatusRequestEntityTooLarge, codeBodyTooLarge, fmt.Sprintf("The body is larger than %d bytes.", messages.MaxBody))
	}
	if err != nil {
		return refused(http.StatusBadRequest, messages.MalformedCommand, "The body did not arrive whole; send the request again.")
	}
	return g.as(ctx, x, func(organization messages.Organization) answer {
		c, problem := readCall(x.request, content, organization)
		if problem != nil {
			return *problem
		}
		x.command = c.command.ID
		return g.connect(ctx, c)
	})
}

// serveCommand tells what became of a command.
func (g *Gateway) serveCommand(ctx context.Context, x *exchange) answer {
	return g.as(ctx, x, func(organization messages.Organization) answer {
		return g.tell(ctx, x.request, organization)
	})
}

// as answers a request in the name of the organization whose it is, if it has
// room for one more.
func (g *Gateway) as(ctx context.Context, x *exchange, answered func(messages.Organization) answer) answer {
	organization, problem := g.authenticate(ctx, x.request)
	if problem != nil {
		return *problem
	}
	x.organization = organization.Handle
	if !g.limit.enter(organization.Token) {
		a := refused(http.StatusTooManyRequests, codeTooManyRequests, fmt.Sprintf(
			"The organization has as many requests in flight as it may have (%d); nothing was done, try again.", g.config.InFlight))
		a.retry = true
		return a
	}
	defer g.limit.leave(organization.Token)
	return answered(organization)
}

// requestID is the caller's, if it has one that can be logged, or a new one.
func requestID(header http.Header) string {
	id := header.Get("X-Request-Id")
	if validKey(id) {
		return id
	}
	return uuid.NewString()
}

// methodOf keeps made-up methods out of spans.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "_OTHER"
}
