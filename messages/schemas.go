package messages

import "embed"

//go:embed schemas/*.json
var schemas embed.FS

// CommandSchema returns the JSON Schema (draft 2020-12) of a ConnectProvider
// command's body.
func CommandSchema() []byte { return schema("connect-provider.command.v1.json") }

// Schema returns the JSON Schema (draft 2020-12) of an event's body, nil for a
// type that this version does not know.
func (t EventType) Schema() []byte {
	switch t {
	case EventConnected, EventConnectFailed:
		return schema(string(t) + ".event.v1.json")
	}
	return nil
}

// OutcomesRequestSchema returns the JSON Schema (draft 2020-12) of a question
// for outcomes.
func OutcomesRequestSchema() []byte { return schema("outcomes.request.v1.json") }

// OutcomesAnswerSchema returns the JSON Schema (draft 2020-12) of its answer.
func OutcomesAnswerSchema() []byte { return schema("outcomes.answer.v1.json") }

// PreviewsRequestSchema returns the JSON Schema (draft 2020-12) of a question for
// previews.
func PreviewsRequestSchema() []byte { return schema("previews.request.v1.json") }

// PreviewsAnswerSchema returns the JSON Schema (draft 2020-12) of its answer.
func PreviewsAnswerSchema() []byte { return schema("previews.answer.v1.json") }

func schema(file string) []byte {
	text, err := schemas.ReadFile("schemas/" + file)
	if err != nil {
		panic(err) // the file is part of the binary
	}
	return text
}
