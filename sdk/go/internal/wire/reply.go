package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/chittihq/duckling/sdk/go/internal/jsonscan"
)

// Ids the gateway uses by itself.
const (
	IDWelcome    = "welcome"
	IDParseError = "parse-error"
)

// Types of the frames that belong to streams and subscriptions.
const (
	TypeStart  = "start"
	TypeChunk  = "chunk"
	TypeEnd    = "end"
	TypeUpdate = "update"
)

// Rows is an array of row objects, checked, and where each row is. The zero value is no array.
type Rows struct {
	Text  []byte // the array, or null
	Start []int  // of each row in Text
}

// Present says whether the frame had the array at all.
func (r Rows) Present() bool { return r.Text != nil }

// Row is the text of row i, followed by what comes after it.
func (r Rows) Row(i int) []byte { return r.Text[r.Start[i]:] }

// Failure is what a frame with success false says.
type Failure struct {
	Error        string  `json:"error"`
	Code         string  `json:"code"`
	Retryable    bool    `json:"retryable"`
	RetryAfterMs float64 `json:"retryAfterMs"`
	Position     *int    `json:"position"`
}

// Reply is a frame from the gateway, or one item of a batch reply. Its slices point into the frame.
type Reply struct {
	Success  bool
	Type     string
	Failure  Failure
	Result   Rows
	Added    Rows
	Removed  Rows
	Results  []Reply // items of a batch
	Meta     json.RawMessage
	Duration float64 // milliseconds
	Seq      int
	Chunks   int
	Rows     int
}

// ID returns the id of a frame without reading the rest where the id comes first.
func ID(frame []byte) (string, error) {
	const first = `{"id":"`
	if bytes.HasPrefix(frame, []byte(first)) {
		rest := frame[len(first):]
		if end := bytes.IndexByte(rest, '"'); end >= 0 && bytes.IndexByte(rest[:end], '\\') < 0 {
			return string(rest[:end]), nil
		}
	}
	var id string
	_, err := jsonscan.Members(frame, 0, func(name []byte, start int) (end int, err error) {
		end, err = jsonscan.Value(frame, start)
		if err == nil && string(name) == `"id"` && frame[start] == '"' {
			id = jsonscan.Text(frame[start:end])
		}
		return end, err
	})
	return id, err
}

// Parse reads a whole frame. Fields it does not know are skipped.
func Parse(frame []byte) (Reply, error) {
	r, end, err := parse(frame, 0)
	if err != nil {
		return Reply{}, fmt.Errorf("reading a frame of %d bytes: %w", len(frame), err)
	}
	if jsonscan.Space(frame, end) != len(frame) {
		return Reply{}, fmt.Errorf("reading a frame of %d bytes: there is more after byte %d", len(frame), end)
	}
	return r, nil
}

// ParseRows reads an array of rows by itself as if it had come in a reply.
func ParseRows(text []byte) (Reply, error) {
	r := Reply{Success: true}
	end, err := rows(text, jsonscan.Space(text, 0), &r.Result)
	if err == nil && jsonscan.Space(text, end) != len(text) {
		err = fmt.Errorf("there is more after the array, which ends at byte %d", end)
	}
	return r, err
}

func parse(frame []byte, i int) (r Reply, end int, err error) {
	object := i
	end, err = jsonscan.Members(frame, i, func(name []byte, start int) (int, error) {
		switch string(name) {
		case `"result"`:
			return rows(frame, start, &r.Result)
		case `"added"`:
			return rows(frame, start, &r.Added)
		case `"removed"`:
			return rows(frame, start, &r.Removed)
		case `"results"`:
			return items(frame, start, &r.Results)
		}
		end, err := jsonscan.Value(frame, start)
		if err != nil {
			return end, err
		}
		return end, r.scalar(name, frame[start:end])
	})
	if err == nil && !r.Success {
		err = json.Unmarshal(frame[object:end], &r.Failure)
	}
	return r, end, err
}

func (r *Reply) scalar(name, value []byte) (err error) {
	switch string(name) {
	case `"success"`:
		r.Success = string(value) == "true"
	case `"type"`:
		r.Type = frameType(value)
	case `"meta"`:
		r.Meta = value
	case `"duration"`:
		r.Duration, err = strconv.ParseFloat(string(value), 64)
	case `"seq"`:
		r.Seq, err = strconv.Atoi(string(value))
	case `"chunks"`:
		r.Chunks, err = strconv.Atoi(string(value))
	case `"rows"`:
		r.Rows, err = strconv.Atoi(string(value))
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

func frameType(value []byte) string {
	switch string(value) {
	case `"chunk"`:
		return TypeChunk
	case `"start"`:
		return TypeStart
	case `"end"`:
		return TypeEnd
	case `"update"`:
		return TypeUpdate
	}
	return string(value)
}

// sampleRows is how many rows are measured before the number of the rest is guessed.
const sampleRows = 64

// rows indexes an array of row objects. null is what some servers send for no rows.
func rows(frame []byte, i int, into *Rows) (int, error) {
	if i < len(frame) && frame[i] == 'n' {
		end, err := jsonscan.Value(frame, i)
		*into = Rows{Text: frame[i:end:end]}
		return end, err
	}
	var starts []int
	rest := frame[i:]
	n, err := jsonscan.Elements(rest, 0, func(start, _ int) {
		if len(starts) == sampleRows {
			// Rows of one result are about as long as each other: one allocation instead of many.
			starts = slices.Grow(starts, (len(rest)-start)*sampleRows/start)
		}
		starts = append(starts, start)
	})
	*into = Rows{Text: rest[:n:n], Start: starts}
	return i + n, err
}

func items(frame []byte, i int, into *[]Reply) (int, error) {
	var bad error
	end, err := jsonscan.Elements(frame, i, func(start, _ int) {
		item, _, err := parse(frame, start)
		if err != nil {
			bad = err
		}
		*into = append(*into, item)
	})
	if err == nil {
		err = bad
	}
	return end, err
}
