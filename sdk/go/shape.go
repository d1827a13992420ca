package duckling

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/chittihq/duckling/sdk/go/internal/jsonscan"
	"github.com/chittihq/duckling/sdk/go/internal/wire"
)

// shape is what the rows of a result, or of a stream, have in common. It does not change
// once a row was handed out.
type shape struct {
	columns []Column
	keys    [][]byte // how each column's name is written in the rows, quotes included
	meta    Meta
	plans   sync.Map // reflect.Type of a struct -> *plan
}

// newShape reads meta, and the spelling of the names from the first row. A server that
// sends no meta has its columns read from there too, without types.
func newShape(meta json.RawMessage, rows wire.Rows) (*shape, error) {
	s := &shape{}
	if len(meta) > 0 {
		if err := s.readMeta(meta); err != nil {
			return nil, protocolError(fmt.Errorf("reading meta: %w", err))
		}
	}
	return s, s.learn(rows)
}

// readMeta walks meta by hand: it comes with every answer, and encoding/json would take
// longer over it than over everything else in a small one.
func (s *shape) readMeta(meta []byte) error {
	_, err := jsonscan.Members(meta, 0, func(name []byte, start int) (int, error) {
		if string(name) == `"columns"` {
			return s.readColumns(meta, start)
		}
		end, err := jsonscan.Value(meta, start)
		if err != nil || string(meta[start:end]) == "null" {
			return end, err
		}
		switch value := meta[start:end]; string(name) {
		case `"generation"`:
			s.meta.Generation, err = strconv.ParseUint(string(value), 10, 64)
		case `"asOf"`:
			err = s.meta.AsOf.UnmarshalJSON(value)
		case `"position"`:
			s.meta.Position, err = readPosition(value)
		case `"lagMs"`:
			var ms float64
			ms, err = strconv.ParseFloat(string(value), 64)
			s.meta.Lag, s.meta.LagKnown = time.Duration(ms*float64(time.Millisecond)), true
		}
		return end, err
	})
	return err
}

func readPosition(position []byte) (p Position, err error) {
	_, err = jsonscan.Members(position, 0, func(name []byte, start int) (int, error) {
		end, err := jsonscan.Value(position, start)
		if err != nil {
			return end, err
		}
		switch value := position[start:end]; string(name) {
		case `"gtidSet"`:
			err = readText(&p.GTIDSet, value)
		case `"file"`:
			err = readText(&p.File, value)
		case `"offset"`:
			p.Offset, err = strconv.ParseUint(string(value), 10, 64)
		}
		return end, err
	})
	return p, err
}

func readText(into *string, value []byte) error {
	if value[0] != '"' {
		return fmt.Errorf("%s where a text is needed", value)
	}
	*into = jsonscan.Text(value)
	return nil
}

func (s *shape) readColumns(meta []byte, i int) (int, error) {
	s.columns = make([]Column, 0, 8)
	var bad error
	end, err := jsonscan.Elements(meta, i, func(start, _ int) {
		column, err := readColumn(meta, start)
		if err != nil {
			bad = err
		}
		s.columns = append(s.columns, column)
	})
	if err == nil {
		err = bad
	}
	return end, err
}

func readColumn(meta []byte, i int) (c Column, err error) {
	_, err = jsonscan.Members(meta, i, func(name []byte, start int) (int, error) {
		end, err := jsonscan.Value(meta, start)
		if err != nil {
			return end, err
		}
		switch value := meta[start:end]; string(name) {
		case `"name"`:
			err = readText(&c.Name, value)
		case `"type"`:
			err = readText(&c.Type, value)
		}
		return end, err
	})
	return c, err
}

// learn looks at the first row to know how the columns' names are written.
func (s *shape) learn(rows wire.Rows) error {
	if len(rows.Start) == 0 || s.keys != nil {
		return nil
	}
	untyped := s.columns == nil
	s.keys = make([][]byte, len(s.columns))
	row := rows.Row(0)
	_, err := jsonscan.Members(row, 0, func(name []byte, start int) (int, error) {
		text := jsonscan.Text(name)
		name = bytes.Clone(name) // a stream goes on long after its first chunk is let go
		if untyped {
			s.columns = append(s.columns, Column{Name: text})
			s.keys = append(s.keys, name)
		} else if i := s.index(text); i >= 0 {
			s.keys[i] = name
		}
		return jsonscan.Value(row, start)
	})
	if err != nil {
		return protocolError(fmt.Errorf("reading the first row: %w", err))
	}
	return nil
}

// index finds a column by its exact name; -1 means there is none.
func (s *shape) index(name string) int {
	for i := range s.columns {
		if s.columns[i].Name == name {
			return i
		}
	}
	return -1
}

// walk calls visit with each column's index and value, in the order of the row.
func (s *shape) walk(row []byte, visit func(column int, value []byte) error) error {
	position, seen := 0, 0
	_, err := jsonscan.Members(row, 0, func(name []byte, start int) (int, error) {
		end, err := jsonscan.Value(row, start)
		if err != nil {
			return end, err
		}
		column := position
		if position >= len(s.keys) || !bytes.Equal(name, s.keys[position]) {
			column = s.index(jsonscan.Text(name))
		}
		position++
		if column < 0 {
			return end, protocolError(fmt.Errorf("a row has a column %s that is not among the result's", name))
		}
		seen++
		return end, visit(column, row[start:end])
	})
	if err == nil && seen != len(s.columns) {
		return protocolError(fmt.Errorf("a row has %d of the result's %d columns", seen, len(s.columns)))
	}
	return err
}

func (s *shape) planFor(t reflect.Type) *plan {
	if p, ok := s.plans.Load(t); ok {
		return p.(*plan)
	}
	p := newPlan(t, s.columns)
	s.plans.Store(t, p)
	return p
}
