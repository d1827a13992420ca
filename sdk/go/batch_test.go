package duckling_test

import (
	"errors"
	"fmt"
	"testing"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/sdk/go/internal/scripted"
)

func TestBatchAnswersInOrderAndFailsOneByOne(t *testing.T) {
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			if got, want := fmt.Sprint(f["queries"]), "[map[params:[7] sql:SELECT ? AS n] map[sql:SELECT x]]"; f.Str("type") != "batch" || got != want {
				t.Errorf("the batch is %v", f)
			}
			conn.Send(`{"id":%q,"success":true,"results":[
				{"success":true,"result":[{"n":7}],"duration":0.5,"meta":%s},
				{"success":false,"error":"no column x","code":"NOT_FOUND","retryable":false,"position":7}],"duration":1.1}`,
				f.ID(), scripted.Meta("n BIGINT"))
			return true
		})
	})
	results, err := c.QueryBatch(t.Context(), duckling.Statement{SQL: "SELECT ? AS n", Args: []any{7}}, duckling.Statement{SQL: "SELECT x"})
	if len(results) != 2 || results[0] == nil || results[1] != nil {
		t.Fatalf("results %v", results)
	}
	if n, err := duckling.Collect[int](results[0]); err != nil || n[0] != 7 || results[0].Meta().Generation != 42 {
		t.Fatalf("the first result is %v (%v)", n, err)
	}
	var failed *duckling.BatchError
	if !errors.As(err, &failed) || failed.Index != 1 || err.Error() != "statement 1 of the batch: no column x" {
		t.Fatalf("the error is %v", err)
	}
	if e := wantCode(t, err, duckling.CodeNotFound); e.Position != 7 {
		t.Fatalf("the error is %+v", e)
	}
}

func TestBatchThatFailsAsAWhole(t *testing.T) {
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			conn.Fail(f.ID(), "BAD_REQUEST", "too many queries")
			return true
		})
	})
	results, err := c.QueryBatch(t.Context(), duckling.Statement{SQL: "SELECT 1"})
	if wantCode(t, err, duckling.CodeBadRequest); results != nil {
		t.Fatalf("results %v", results)
	}
	_, err = c.QueryBatch(t.Context(), duckling.Statement{SQL: "SELECT 1"}, duckling.Statement{})
	if e := wantCode(t, err, duckling.CodeBadRequest); e.Message != "SQL query is required" {
		t.Fatalf("the error is %v", err)
	}
}

func TestBatchWithTooFewResultsIsAnError(t *testing.T) {
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			conn.Send(`{"id":%q,"success":true,"results":[],"duration":1}`, f.ID())
			return true
		})
	})
	_, err := c.QueryBatch(t.Context(), duckling.Statement{SQL: "SELECT 1"})
	wantCode(t, err, duckling.CodeProtocol)
}
