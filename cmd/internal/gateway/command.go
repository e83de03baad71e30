package gateway

import (
	"context"
	"net/http"
	"strconv"

	"connect-provider/messages"
)

// tell answers the question what became of a command: as the request that made
// it would have been answered.
//
// The sequence stands in the place that a 202 has named, if it was known. With
// it "not yet" can be told from "never": a lane that has come to it, and knows
// of no outcome, will have none (or the stream was replaced, or the outcome is
// older than the workers' memory). Without it the answer can't be sure.
func (g *Gateway) tell(ctx context.Context, r *http.Request, organization messages.Organization) answer {
	id := r.PathValue("command_id")
	if !validKey(id) {
		return refused(http.StatusNotFound, codeOutcomeUnknown, "This can't be a command's id.")
	}
	told, err := g.askAbout(ctx, organization, []string{id})
	if err != nil {
		return unavailable(id, "The outcome can't be looked up at the moment; ask again.", err)
	}
	if len(told.Outcomes) > 0 {
		return ofOutcome(&told.Outcomes[0].Data, id)
	}
	sequence, err := strconv.ParseUint(r.URL.Query().Get("sequence"), 10, 64)
	if lane, known := told.Lane(messages.Interactive); err == nil && known && lane.Cursor < sequence {
		return answer{status: http.StatusAccepted, code: codeUndecided, retry: true, location: commandPlace(id, sequence),
			message: "The command is not decided yet; ask again.", data: acceptedData{Code: codeUndecided, CommandID: id}}
	}
	return answer{status: http.StatusNotFound, code: codeOutcomeUnknown, data: errorData{codeOutcomeUnknown, id},
		message: "No outcome of this command is known: it is not decided yet, or was never accepted. Ask again, or send the request again with command_id as its Idempotency-Key; that does nothing twice."}
}
