package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
)

const (
	// headerControlError marks a reply that is a ControlError in JSON.
	headerControlError = "Duckling-Error"
	// controlHandlers bounds the requests handled at once on one subject.
	controlHandlers = 16
	// codeInternal is the code of errors that are not ControlErrors.
	codeInternal = "internal"
)

// Serve answers requests on a subject until ctx is done, then waits for those
// being handled and returns nil. Several requests are handled side by side. A
// handler's error reaches the caller as a ControlError, with the code
// "internal" unless it is one already.
func (b *Bus) Serve(ctx context.Context, subject string, handle func(ctx context.Context, request []byte) ([]byte, error)) error {
	requests := make(chan *nats.Msg, controlHandlers)
	sub, err := b.nc.ChanSubscribe(subject, requests)
	if err != nil {
		return b.wrap("serving "+subject, err)
	}
	// Requests may be sent as soon as the server knows of the subscription.
	if err := b.nc.FlushTimeout(requestTimeout); err != nil && ctx.Err() == nil {
		b.log.Warn("serving could not be announced; it is when the connection is back", "subject", subject, "error", err)
	}
	var running sync.WaitGroup
	defer running.Wait()
	// The subscription is gone already when the connection is closed.
	defer func() { _ = sub.Unsubscribe() }()
	slots := make(chan struct{}, controlHandlers)
	for {
		select {
		case <-ctx.Done():
			return nil
		case slots <- struct{}{}:
		}
		select {
		case <-ctx.Done():
			return nil
		case request := <-requests:
			running.Go(func() {
				defer func() { <-slots }()
				b.answer(request, func() ([]byte, error) { return handle(ctx, request.Data) })
			})
		}
	}
}

func (b *Bus) answer(request *nats.Msg, handle func() ([]byte, error)) {
	reply := nats.NewMsg(request.Reply)
	data, err := handle()
	if err == nil && int64(len(data)) > b.nc.MaxPayload()-headerRoom {
		err = fmt.Errorf("the answer of %d bytes exceeds the server's max_payload", len(data))
	}
	reply.Data = data
	if err != nil {
		var control *ControlError
		if !errors.As(err, &control) {
			control = &ControlError{Code: codeInternal, Message: err.Error()}
		}
		if reply.Data, err = json.Marshal(control); err != nil {
			b.log.Error("an error could not be written", "subject", request.Subject, "error", err)
			return
		}
		reply.Header.Set(headerControlError, control.Code)
	}
	if request.Reply == "" {
		return // sent without Request: nobody waits
	}
	if err := b.nc.PublishMsg(reply); err != nil {
		b.log.Warn("an answer could not be sent", "subject", request.Subject, "error", err)
	}
}

// Request asks whoever serves the subject and returns the answer. Without a
// deadline in ctx it waits for a few seconds at most. It returns a
// *ControlError if the handler answered with an error, and ErrNoResponders at
// once if nobody serves the subject.
func (b *Bus) Request(ctx context.Context, subject string, request []byte) ([]byte, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTimeout)
		defer cancel()
	}
	reply, err := b.nc.RequestWithContext(ctx, subject, request)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("asking %s: %w", subject, ErrNoResponders)
	case err != nil:
		return nil, b.wrap("asking "+subject, err)
	}
	if reply.Header.Get(headerControlError) == "" {
		return reply.Data, nil
	}
	var control ControlError
	if err := json.Unmarshal(reply.Data, &control); err != nil {
		return nil, fmt.Errorf("asking %s: reading the error it answered with: %w", subject, err)
	}
	return nil, &control
}
