package gateway

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"connect-provider/messages"
)

// The codes of answers that are no outcomes. They stand beside those of package
// messages, and are as stable.
const (
	codeNotFound          messages.Code = "not_found"
	codeMethodNotAllowed  messages.Code = "method_not_allowed"
	codeUnsupportedMedia  messages.Code = "unsupported_media_type"
	codeBodyTooLarge      messages.Code = "body_too_large"
	codeTokenMissing      messages.Code = "token_missing"
	codeTokenUnknown      messages.Code = "token_unknown"
	codeOrgHandleMissing  messages.Code = "org_handle_missing"
	codeKeyInvalid        messages.Code = "idempotency_key_invalid"
	codeTooManyRequests   messages.Code = "too_many_requests"
	codeUnavailable       messages.Code = "unavailable"
	codeUndecided         messages.Code = "undecided"
	codeAcceptanceUnknown messages.Code = "acceptance_unknown"
	codeOutcomeUnknown    messages.Code = "outcome_unknown"
)

// retryAfter is what Retry-After says: a reconnect or a takeover is over by then.
const retryAfter = time.Second

// answer is what a request gets. The bodies are those of the platform's
// document (connect-provider-to-bridge); where it is silent, its shape.
type answer struct {
	status   int
	code     messages.Code // empty for 200
	message  string
	data     any
	location string
	allow    string
	retry    bool
	// cause is for the log.
	cause error
}

type body struct {
	StatusCode int    `json:"status_code"`
	Message    string `json:"message"`
	Data       any    `json:"data"`
}

// connectedData is the document's, in its order.
type connectedData struct {
	Message     string `json:"message"`
	BridgeSlug  string `json:"bridge_slug"`
	PhoneNumber string `json:"phone_number"`
}

type errorData struct {
	Code      messages.Code `json:"code"`
	CommandID string        `json:"command_id,omitempty"`
}

type acceptedData struct {
	Code        messages.Code `json:"code"`
	CommandID   string        `json:"command_id"`
	BridgeSlug  string        `json:"bridge_slug,omitempty"`
	PhoneNumber string        `json:"phone_number,omitempty"`
}

// refused is an answer before there is a command.
func refused(status int, code messages.Code, message string) answer {
	return answer{status: status, code: code, message: message, data: errorData{Code: code}}
}

// unavailable is an answer where no command was accepted, and it is not the
// caller's fault.
func unavailable(commandID, message string, cause error) answer {
	return answer{status: http.StatusServiceUnavailable, code: codeUnavailable, message: message, retry: true, cause: cause,
		data: errorData{codeUnavailable, commandID}}
}

func (a *answer) write(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if a.retry {
		header.Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
	}
	if a.location != "" {
		header.Set("Location", a.location)
	}
	if a.allow != "" {
		header.Set("Allow", a.allow)
	}
	if a.status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Token")
	}
	text, err := json.Marshal(body{a.status, a.message, a.data}, json.Deterministic(true))
	if err != nil { // text that is not UTF-8, which no outcome has
		a.cause = err
		text = []byte(`{"status_code":500,"message":"The answer can't be written.","data":{"code":"internal_error"}}`)
		a.status, a.code = http.StatusInternalServerError, messages.InternalError
	}
	header.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(a.status)
	_, _ = w.Write(text) // a caller who is gone gets none
}
