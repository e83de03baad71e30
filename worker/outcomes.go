package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/micro"
	"go.uber.org/zap"

	"connect-provider/messages"
)

const (
	// outcomesService is the name under which `nats micro ls` shows it.
	outcomesService = "telephony-outcomes"
	// outcomesVersion is that of the questions and answers, not of this program.
	outcomesVersion = "1.0.0"
	// outcomesTimeout bounds the look into the database. It is shorter than askers
	// wait (messages.AskOutcomes), so that they hear of it.
	outcomesTimeout = 3 * time.Second
	// What waits beyond this is dropped: by the time it had its turn nobody
	// would wait for it any more. Who asks again asks another worker, perhaps.
	outcomesWaiting, outcomesWaitingBytes = 4000, 8 << 20
)

// outcomes answers who asks what became of commands: the worker's side of
// messages.AskOutcomes. All workers share the questions.
//
// One question is answered at a time, on at most one connection, which the pool
// has beyond those that the lanes need: however many ask, commands are decided.
type outcomes struct {
	worker  *Worker
	service micro.Service

	// ends when what is being read is to be given up
	ctx    context.Context
	giveUp context.CancelFunc

	mu      sync.Mutex // held while a question is answered
	closed  bool
	failing bool // the last look into the database failed
}

// answerOutcomes starts to answer questions. It needs the lanes' number.
func (w *Worker) answerOutcomes() (*outcomes, error) {
	o := &outcomes{worker: w}
	o.ctx, o.giveUp = context.WithCancel(context.Background())
	var err error
	o.service, err = micro.AddService(w.config.NATS, micro.Config{
		Name: outcomesService, Version: outcomesVersion,
		Description: "Tells what became of an organization's commands.",
		Metadata:    map[string]string{"worker": w.config.Name, "release": w.config.Version},
	})
	if err == nil {
		err = o.service.AddEndpoint("outcomes", o, micro.WithEndpointSubject(messages.OutcomesFilter),
			micro.WithEndpointPendingLimits(outcomesWaiting, outcomesWaitingBytes))
	}
	if err != nil {
		o.close()
		return nil, fmt.Errorf("answer on %s: %w", messages.OutcomesFilter, err)
	}
	return o, nil
}

// stop takes no more questions; those that have come are still answered. It
// is called before the lanes are drained: from then on the other workers
// answer, and if there are none, askers learn so at once.
func (o *outcomes) stop() {
	if o.service != nil {
		_ = o.service.Stop() // fails only where the connection ends, and all with it
	}
}

// close waits for the answer at hand, a second at most. Nothing uses the
// database afterwards.
func (o *outcomes) close() {
	o.stop()
	timer := time.AfterFunc(time.Second, o.giveUp)
	defer timer.Stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.giveUp()
}

// Handle implements micro.Handler.
func (o *outcomes) Handle(request micro.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.worker.metrics.asked(o.answer(request))
}

// answer answers one question and returns how that went, as the metric has it.
func (o *outcomes) answer(request micro.Request) (result string) {
	if !messages.IsInbox(request.Reply()) {
		// The asker chooses where the answer goes, the worker's permissions let
		// it through: it would stand in the events stream, or purge one.
		o.worker.logger.Debug("question for outcomes ignored: its reply subject is no inbox", zap.String("subject", request.Subject()))
		return "ignored"
	}
	if o.closed {
		return refuse(request, "503", "This worker is ending; ask again.")
	}
	organization, token, err := messages.ParseOutcomesSubject(request.Subject())
	if err != nil {
		return refuse(request, "400", err.Error())
	}
	ids, err := messages.DecodeOutcomesRequest(request.Data())
	if err != nil {
		return refuse(request, "400", err.Error())
	}
	ctx, cancel := context.WithTimeout(o.ctx, outcomesTimeout)
	defer cancel()
	answer, err := o.worker.lookUp(ctx, organization, token, ids)
	o.note(err)
	if err != nil {
		return refuse(request, "503", "The database can't be read now; ask again in a moment.")
	}
	body, err := answer.Encode(int(o.worker.config.NATS.MaxPayload()))
	if err != nil {
		return refuse(request, "400", err.Error())
	}
	if err := request.Respond(body); err != nil {
		return "unavailable"
	}
	return "answered"
}

// refuse sends an error: with the code 503 it is worth asking again.
func refuse(request micro.Request, code, sentence string) (result string) {
	_ = request.Error(code, sentence, nil) // an answer that does not arrive is like one that is lost
	if code == "503" {
		return "unavailable"
	}
	return "bad_request"
}

// note logs the first failure of several, and their end.
func (o *outcomes) note(err error) {
	switch {
	case err != nil && !o.failing:
		o.worker.logger.Warn("questions for outcomes can't be answered", zap.Error(err))
	case err == nil && o.failing:
		o.worker.logger.Info("questions for outcomes are answered again")
	}
	o.failing = err != nil
}
