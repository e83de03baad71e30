package worker

import (
	"context"
	"errors"
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

// outcomes is the service that answers who asks what became of commands, and what
// would come of them: the worker's side of messages.AskOutcomes and
// messages.AskPreviews. All workers share the questions.
//
// Of each kind one question is answered at a time, on at most one connection,
// which the pool has beyond those that the lanes need: however many ask, commands
// are decided, and previews, which are more work, delay no outcome.
type outcomes struct {
	worker  *Worker
	service micro.Service
	kinds   []*questions

	// ends when what is being read is to be given up
	ctx    context.Context
	giveUp context.CancelFunc
}

// questions are those of one kind.
type questions struct {
	of      *outcomes
	subject string
	asked   func(result string) // counts them
	// look answers a question. An error that is no refusal is the database's.
	look func(ctx context.Context, request micro.Request) (body []byte, err error)

	mu      sync.Mutex // held while a question is answered
	closed  bool
	failing bool // the last look into the database failed
}

// refusal says what is wrong with a question.
type refusal struct{ error }

// answerOutcomes starts to answer questions. It needs the lanes' number.
func (w *Worker) answerOutcomes() (*outcomes, error) {
	o := &outcomes{worker: w}
	o.ctx, o.giveUp = context.WithCancel(context.Background())
	o.kinds = []*questions{
		{of: o, subject: messages.OutcomesFilter, asked: w.metrics.asked, look: looker(w, messages.ParseOutcomesSubject, messages.DecodeOutcomesRequest, w.lookUp)},
		{of: o, subject: messages.PreviewsFilter, asked: w.metrics.previewed, look: looker(w, messages.ParsePreviewsSubject, messages.DecodePreviewRequest, w.preview)},
	}
	var err error
	o.service, err = micro.AddService(w.config.NATS, micro.Config{
		Name: outcomesService, Version: outcomesVersion,
		Description: "Tells what became of an organization's commands, and what would come of others.",
		Metadata:    map[string]string{"worker": w.config.Name, "release": w.config.Version},
	})
	for i, name := range []string{"outcomes", "previews"} {
		if err == nil {
			err = o.service.AddEndpoint(name, o.kinds[i], micro.WithEndpointSubject(o.kinds[i].subject),
				micro.WithEndpointPendingLimits(outcomesWaiting, outcomesWaitingBytes))
		}
	}
	if err != nil {
		o.close()
		return nil, fmt.Errorf("answer on %s and %s: %w", messages.OutcomesFilter, messages.PreviewsFilter, err)
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

// close waits for the answers at hand, a second at most. Nothing uses the
// database afterwards.
func (o *outcomes) close() {
	o.stop()
	timer := time.AfterFunc(time.Second, o.giveUp)
	defer timer.Stop()
	for _, q := range o.kinds {
		q.mu.Lock()
		q.closed = true
		q.mu.Unlock()
	}
	o.giveUp()
}

// Handle implements micro.Handler.
func (q *questions) Handle(request micro.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked(q.answer(request))
}

// answer answers one question and returns how that went, as the metric has it.
func (q *questions) answer(request micro.Request) (result string) {
	if !messages.IsInbox(request.Reply()) {
		// The asker chooses where the answer goes, the worker's permissions let
		// it through: it would stand in the events stream, or purge one.
		q.of.worker.logger.Debug("question ignored: its reply subject is no inbox", zap.String("subject", request.Subject()))
		return "ignored"
	}
	if q.closed {
		return refuse(request, "503", "This worker is ending; ask again.")
	}
	ctx, cancel := context.WithTimeout(q.of.ctx, outcomesTimeout)
	defer cancel()
	body, err := q.look(ctx, request)
	var refused *refusal
	if errors.As(err, &refused) {
		return refuse(request, "400", err.Error())
	}
	q.note(err)
	if err != nil {
		return refuse(request, "503", "The database can't be read now; ask again in a moment.")
	}
	if err := request.Respond(body); err != nil {
		return "unavailable"
	}
	return "answered"
}

// looker makes the look of a kind of questions: what the subject and the request
// say is asked for, and refused where it makes no sense.
func looker[Q, A any, P interface {
	*A
	Encode(limit int) ([]byte, error)
}](w *Worker, parse func(subject string) (organization messages.Organization, token string, err error), decode func(data []byte) (Q, error),
	find func(ctx context.Context, organization messages.Organization, token string, question Q) (A, error),
) func(context.Context, micro.Request) ([]byte, error) {
	return func(ctx context.Context, request micro.Request) ([]byte, error) {
		organization, token, err := parse(request.Subject())
		if err != nil {
			return nil, &refusal{err}
		}
		question, err := decode(request.Data())
		if err != nil {
			return nil, &refusal{err}
		}
		answer, err := find(ctx, organization, token, question)
		if err != nil {
			return nil, err
		}
		body, err := P(&answer).Encode(int(w.config.NATS.MaxPayload()))
		if err != nil {
			return nil, &refusal{err}
		}
		return body, nil
	}
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
func (q *questions) note(err error) {
	switch subject := zap.String("subject", q.subject); {
	case err != nil && !q.failing:
		q.of.worker.logger.Warn("questions can't be answered", subject, zap.Error(err))
	case err == nil && q.failing:
		q.of.worker.logger.Info("questions are answered again", subject)
	}
	q.failing = err != nil
}
