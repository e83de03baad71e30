package messages_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"connect-provider/messages"
)

var (
	outcomesRequestSchema = sync.OnceValue(func() *jsonschema.Schema { return compile(messages.OutcomesRequestSchema()) })
	outcomesAnswerSchema  = sync.OnceValue(func() *jsonschema.Schema { return compile(messages.OutcomesAnswerSchema()) })
	previewRequestSchema  = sync.OnceValue(func() *jsonschema.Schema { return compile(messages.PreviewsRequestSchema()) })
	previewAnswerSchema   = sync.OnceValue(func() *jsonschema.Schema { return compile(messages.PreviewsAnswerSchema()) })

	commandSchema = sync.OnceValue(func() *jsonschema.Schema { return compile(messages.CommandSchema()) })
	eventSchemas  = sync.OnceValue(func() map[messages.EventType]*jsonschema.Schema {
		return map[messages.EventType]*jsonschema.Schema{
			messages.EventConnected:     compile(messages.EventConnected.Schema()),
			messages.EventConnectFailed: compile(messages.EventConnectFailed.Schema()),
		}
	})
)

func compile(text []byte) *jsonschema.Schema {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", document); err != nil {
		panic(err)
	}
	return compiler.MustCompile("schema.json")
}

// against reports what a schema has to say of a document.
func against(schema *jsonschema.Schema, body []byte) error {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(document)
}

func TestUnknownEventTypeHasNoSchema(t *testing.T) {
	t.Parallel()
	if messages.EventType("../connect-provider.command").Schema() != nil {
		t.Error("a schema for a type that does not exist")
	}
}

func TestSchemasRefuse(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no E.164":       with(`+1234567890`, `12345`),
		"unknown member": with(`{`, `{"priority":1,`),
		"missing member": with(`"provider_config_id":42,`, ``),
		"wrong type":     with(`42`, `"42"`),
		"fraction":       with(`42`, `42.5`),
		"bad id":         with(`order-7731-line-4`, `order 7731`),
		"17 metadata":    with(`{`, `{"metadata":{`+members(17)+`},`),
	} {
		if against(commandSchema(), []byte(body)) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := against(commandSchema(), []byte(plain)); err != nil {
		t.Error(err)
	}
}
