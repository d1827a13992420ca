package frametest

import (
	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
)

// CreateSteps makes the tables that Steps writes to.
func (s *Source) CreateSteps() [2]*cdcv1.TableDefinition {
	define := func(name string) *cdcv1.TableDefinition {
		def := &cdcv1.TableDefinition{Table: name, Key: []uint32{0}, Columns: []*cdcv1.Column{
			{Name: "id", Type: cdcv1.Type_TYPE_INT64}, {Name: "step", Type: cdcv1.Type_TYPE_INT64}, {Name: "note", Type: cdcv1.Type_TYPE_TEXT},
		}}
		def.Fingerprint = frame.Fingerprint(def)
		s.event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_CREATE, Table: name, Definition: def})
		return def
	}
	return [2]*cdcv1.TableDefinition{define("steps"), define("filler")}
}

// Steps is a transaction over two tables whose halves can be told: rows rows of
// steps get step n, and as many are added to filler.
func (s *Source) Steps(defs [2]*cdcv1.TableDefinition, n int64, rows int) *cdcv1.Frame {
	op := cdcv1.Operation_OPERATION_UPDATE
	if n == 0 {
		op = cdcv1.Operation_OPERATION_INSERT
	}
	steps, filler := frame.NewRows(defs[0]), frame.NewRows(defs[1])
	for i := range int64(rows) {
		Append(steps, op, Row{i, n, "a note that is long enough to be kept apart"})
		Append(filler, cdcv1.Operation_OPERATION_INSERT, Row{n*int64(rows) + i, n, "a note that is long enough to be kept apart"})
	}
	s.offset += 100
	return &cdcv1.Frame{
		Source: s.Name, Epoch: s.Epoch,
		Position: &cdcv1.Position{File: "binlog.000001", Offset: s.offset, Server: "s1", CommitTimeUs: int64(s.offset) * 1000},
		Body:     &cdcv1.Frame_Changes{Changes: &cdcv1.Changes{Tables: []*cdcv1.TableRows{steps.Message(), filler.Message()}, Transactions: 1}},
	}
}
