// Package frame reads and writes the messages of the event contract in
// schemas/cdc/v1: rows by column, table definitions, and their fingerprints.
//
// It is the only place that knows how the bytes of a column are laid out.
package frame

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"
)

// Format is the version of the layout rules this package writes and reads.
const Format = 1

// FormatError reports a frame made by a release with other layout rules.
type FormatError struct{ Got uint32 }

func (e *FormatError) Error() string {
	return fmt.Sprintf("frame format %d, this release reads format %d: upgrade the loader before ingest", e.Got, Format)
}

// Marshal encodes f and stamps it with Format. The bytes for one value of f
// are the same on every call of one build.
func Marshal(f *cdcv1.Frame) ([]byte, error) {
	f.Format = Format
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encoding frame: %w", err)
	}
	return data, nil
}

// Unmarshal decodes one frame. It returns a *FormatError for a format it does
// not know; anything else it returns means damage. Column bytes are checked by
// View, when a definition is at hand.
func Unmarshal(data []byte) (*cdcv1.Frame, error) {
	f := new(cdcv1.Frame)
	if err := proto.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("decoding frame: %w", err)
	}
	if f.GetFormat() != Format {
		return nil, &FormatError{Got: f.GetFormat()}
	}
	if f.GetBody() == nil {
		return nil, fmt.Errorf("decoding frame: it has no body this release knows; upgrade the loader before ingest")
	}
	return f, nil
}
