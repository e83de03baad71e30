package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"connect-provider/messages"
)

// described is what of openapi.json this test reads.
type described struct {
	OpenAPI    string
	Paths      map[string]map[string]operation
	Components struct {
		Schemas struct {
			Code struct{ Enum []string }
		}
	}
}

type operation struct {
	Security  []any
	Responses map[string]struct {
		Headers map[string]any
		Content map[string]struct {
			Schema struct {
				Ref string `json:"$ref"`
			}
		}
	}
}

func readOpenAPI(t *testing.T) (d described, schema func(ref string) *jsonschema.Schema) {
	t.Helper()
	if err := json.Unmarshal(openAPI, &d); err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPI))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("openapi.json", document); err != nil {
		t.Fatal(err)
	}
	return d, func(ref string) *jsonschema.Schema {
		compiled, err := compiler.Compile("openapi.json" + ref)
		if err != nil {
			t.Fatal(err)
		}
		return compiled
	}
}

// TestTheDescriptionIsServed whole, to anybody.
func TestTheDescriptionIsServed(t *testing.T) {
	t.Parallel()
	g := newBed(t).start()
	answer := g.ask(at(http.MethodGet, openAPIPath), with("Authorization", ""), with("Org-Handle", ""))
	if answer.has(t, 200, ""); answer.body != string(openAPI) || answer.header.Get("Content-Type") != "application/json" {
		t.Errorf("served as %s: %s", answer.header.Get("Content-Type"), answer.body)
	}
}

// TestTheDescriptionFitsTheRoutes: the paths and methods are those that there
// are, and the codes.
func TestTheDescriptionFitsTheRoutes(t *testing.T) {
	t.Parallel()
	d, _ := readOpenAPI(t)
	if !strings.HasPrefix(d.OpenAPI, "3.1.") {
		t.Errorf("OpenAPI %s", d.OpenAPI)
	}
	g := &Gateway{}
	have, want := map[string]bool{}, map[string]bool{}
	for _, r := range g.routes() {
		have[r.method+" "+r.path] = true
	}
	for path, operations := range d.Paths {
		for method := range operations {
			want[strings.ToUpper(method)+" "+path] = true
		}
	}
	if !maps.Equal(have, want) {
		t.Errorf("the routes are %v, described are %v", have, want)
	}
	for _, code := range messages.Codes() {
		if !slices.Contains(d.Components.Schemas.Code.Enum, string(code)) {
			t.Errorf("the code %s is not described", code)
		}
	}
}

// TestTheDescriptionFitsTheAnswers: each golden answer is of a status that is
// described, with the headers and the body as described, and each status that is
// described has an answer.
func TestTheDescriptionFitsTheAnswers(t *testing.T) {
	t.Parallel()
	d, schema := readOpenAPI(t)
	files, err := filepath.Glob("testdata/answers/*.txt")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d answers, %v", len(files), err)
	}
	operations := map[string]operation{}
	for _, r := range (&Gateway{}).routes() {
		operations[r.name] = d.Paths[r.path][strings.ToLower(r.method)]
	}
	answered, codes := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		route, _, _ := strings.Cut(name, "-")
		head, body, _ := strings.Cut(string(text), "\n\n")
		status, headers, _ := strings.Cut(head, "\n")
		status, _, _ = strings.Cut(status, " ")
		operation, known := operations[route]
		if !known {
			continue // no route
		}
		response, described := operation.Responses[status]
		if !described {
			t.Errorf("%s: the status %s is not described", name, status)
			continue
		}
		answered[route+" "+status] = true
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := schema(response.Content["application/json"].Schema.Ref).Validate(document); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		members := document.(map[string]any)
		if fmt.Sprint(members["status_code"]) != status {
			t.Errorf("%s: the body has status_code %v", name, members["status_code"])
		}
		if code, ok := members["data"].(map[string]any)["code"]; ok {
			codes[fmt.Sprint(code)] = true
		}
		for line := range strings.Lines(headers) {
			header, _, _ := strings.Cut(line, ":")
			if general := []string{"Content-Type", "Cache-Control", "X-Content-Type-Options", "Command-Id"}; slices.Contains(general, header) {
				continue
			}
			if !slices.ContainsFunc(slices.Collect(maps.Keys(response.Headers)), func(n string) bool { return strings.EqualFold(n, header) }) {
				t.Errorf("%s: the header %s is not described", name, header)
			}
		}
	}
	for route, operation := range operations {
		for status := range operation.Responses {
			// the document itself, and defects, have no golden file
			if !answered[route+" "+status] && route != "openapi" && route+" "+status != "command 500" {
				t.Errorf("no golden file has the answer %s of %s", status, route)
			}
		}
	}
	// not from a request: the organization of a token is gone, or the subject is
	// not the body's
	unseen := []string{"organization_unknown", "not_found"}
	for _, code := range d.Components.Schemas.Code.Enum {
		if !codes[code] && !slices.Contains(unseen, code) {
			t.Errorf("no golden file has the code %s", code)
		}
	}
}

// TestRequestsAreDescribed: what the schema allows is taken, and nothing else.
func TestRequestsAreDescribed(t *testing.T) {
	t.Parallel()
	_, schema := readOpenAPI(t)
	body := schema("#/components/schemas/ConnectProvider")
	organization, err := messages.OrganizationFromHandle("acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		exampleBody, `{"provider_config_id":42,"phone_number":"+1234567890","note":null}`,
		`{}`, `{"provider_config_id":"42","phone_number":"+1234567890"}`, `{"provider_config_id":42.5,"phone_number":"+1234567890"}`,
		`{"provider_config_id":null,"phone_number":"+1234567890"}`, `{"provider_config_id":42,"phone_number":null}`, `[]`, `null`, `"text"`,
	} {
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.SetPathValue("slug", "a-bridge")
		_, problem := readCall(request, []byte(text), organization)
		if described := body.Validate(document) == nil; described != (problem == nil) {
			t.Errorf("%s: described %t, taken %t", text, described, problem == nil)
		}
	}
}
