package bus

import (
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Error codes of the server that nats.go has no names for.
const (
	codeWrongLastMsgID   jetstream.ErrorCode = 10070
	codeStoreFailed      jetstream.ErrorCode = 10077
	codeDuplicateUnacked jetstream.ErrorCode = 10158
	codeServerLimit      jetstream.ErrorCode = 10023
	codeStorageLimit     jetstream.ErrorCode = 10047
	codeAccountLimit     jetstream.ErrorCode = 10002
)

// What the server says under codeStoreFailed when the stream is at its limit.
const (
	textMaxBytes = "maximum bytes exceeded"
	textMaxMsgs  = "maximum messages exceeded"
)

// readAck returns nil if the server stored the message with this sequence.
func readAck(msg *nats.Msg, seq uint64) error {
	if len(msg.Data) == 0 && msg.Header.Get("Status") == "503" {
		return fmt.Errorf("publishing message %d: %w, or has no leader at the moment", seq, ErrNoStream)
	}
	var ack struct {
		Error *jetstream.APIError `json:"error"`
		jetstream.PubAck
	}
	if err := json.Unmarshal(msg.Data, &ack); err != nil {
		return fmt.Errorf("publishing message %d: reading the acknowledgement: %w", seq, err)
	}
	switch {
	case ack.Error != nil:
		return fmt.Errorf("publishing message %d: %w", seq, refusal(ack.Error))
	case ack.Sequence != seq:
		return fmt.Errorf("publishing message %d: %w: it got sequence %d", seq, ErrFenced, ack.Sequence)
	}
	return nil
}

// refusal gives the server's reason the type that the publisher's owner decides on.
func refusal(reason *jetstream.APIError) error {
	switch reason.ErrorCode {
	case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant,
		codeWrongLastMsgID, codeDuplicateUnacked:
		return fmt.Errorf("%w: %s", ErrFenced, reason.Description)
	case codeServerLimit, codeStorageLimit, codeAccountLimit:
		return fmt.Errorf("%w: %s", ErrStreamFull, reason.Description)
	case codeStoreFailed:
		// One code stands for every failure to store; the text tells a full stream.
		if reason.Description == textMaxBytes || reason.Description == textMaxMsgs {
			return fmt.Errorf("%w: %s", ErrStreamFull, reason.Description)
		}
	}
	return fmt.Errorf("the server refused it: %s", reason.Description)
}
