package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"connect-provider/messages"
)

// authenticate tells whose request it is, or what is wrong with its headers, in
// the order 401, 400, 403. That an organization does not exist and that it is
// somebody else's look the same.
func (g *Gateway) authenticate(ctx context.Context, r *http.Request) (messages.Organization, *answer) {
	refuse := func(status int, code messages.Code, message string) (messages.Organization, *answer) {
		a := refused(status, code, message)
		return messages.Organization{}, &a
	}
	token, given := tokenOf(r.Header)
	if !given {
		return refuse(http.StatusUnauthorized, codeTokenMissing, "Give the API token in the header Authorization, in the form: Token <token>.")
	}
	handle, cached, err := g.tokens.owner(ctx, token)
	g.metrics.lookedUp(cached, err)
	switch {
	case errors.Is(err, errUnknownToken):
		return refuse(http.StatusUnauthorized, codeTokenUnknown, "The API token is unknown; it may have been revoked.")
	case err != nil:
		a := unavailable("", "The API token can't be checked at the moment, and nothing was done; try again.", err)
		return messages.Organization{}, &a
	}
	named := r.Header.Values("Org-Handle")
	if len(named) == 0 || named[0] == "" {
		return refuse(http.StatusBadRequest, codeOrgHandleMissing, "Give the organization's domain handle in the header Org-Handle.")
	}
	organization, err := messages.OrganizationFromHandle(handle)
	if err != nil || len(named) > 1 || named[0] != handle {
		return refuse(http.StatusForbidden, messages.OrganizationMismatch, "The API token does not belong to the organization that Org-Handle names.")
	}
	return organization, nil
}

// tokenOf returns the token of "Authorization: Token <token>".
func tokenOf(header http.Header) (token string, given bool) {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, found := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	return token, found && token != "" && strings.EqualFold(scheme, "Token")
}
