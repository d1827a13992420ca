package duckling_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	duckling "github.com/chittihq/duckling/sdk/go"
)

// asked is a Querier that answers with the next of some errors, then well.
type asked struct {
	errs  []error
	count int
}

func (a *asked) Do(context.Context, duckling.Request) (*duckling.Result, error) {
	if a.count++; a.count <= len(a.errs) {
		return nil, a.errs[a.count-1]
	}
	return duckling.ParseResult([]byte(`[{"n":1}]`))
}

var down = &duckling.Error{Code: duckling.CodeUnavailable, Message: "down"}

func repeat(err error, n int) []error {
	all := make([]error, n)
	for i := range all {
		all[i] = err
	}
	return all
}

func TestBreakerOpensTriesAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &asked{errs: append(repeat(down, 3), down)}
		b := duckling.NewBreaker(server, duckling.BreakerConfig{Failures: 3, Successes: 2, OpenFor: time.Minute})
		want := func(code duckling.Code, count int) {
			t.Helper()
			_, err := b.Query(t.Context(), "SELECT 1")
			if duckling.CodeOf(err) != code || server.count != count {
				t.Fatalf("the error is %v, and the server was asked %d times, not %d", err, server.count, count)
			}
		}
		for i := range 3 {
			want(duckling.CodeUnavailable, i+1)
		}
		want(duckling.CodeBreakerOpen, 3)
		time.Sleep(time.Minute)
		want(duckling.CodeUnavailable, 4) // the trial fails, and it stays open
		want(duckling.CodeBreakerOpen, 4)
		time.Sleep(time.Minute)
		want("", 5)
		want("", 6) // the second success closes it
		want("", 7)
		server.errs = append(repeat(nil, 7), down, down)
		want(duckling.CodeUnavailable, 8)
		want(duckling.CodeUnavailable, 9)
		want("", 10)
		server.errs = append(repeat(nil, 10), down)
		want(duckling.CodeUnavailable, 11) // two, one success, one: not three in a row
		want("", 12)
	})
}

func TestBreakerFallsBack(t *testing.T) {
	server := &asked{errs: []error{down, &duckling.Error{Code: duckling.CodeSQLSyntax}}}
	var reasons []duckling.Code
	b := duckling.NewBreaker(server, duckling.BreakerConfig{Fallback: func(_ context.Context, r duckling.Request, err error) (*duckling.Result, error) {
		reasons = append(reasons, duckling.CodeOf(err))
		return duckling.ParseResult([]byte(`[{"sql":"` + r.SQL + `"}]`))
	}})
	if sql, err := duckling.Get[string](t.Context(), b, "SELECT old"); err != nil || sql != "SELECT old" {
		t.Fatalf("%q (%v)", sql, err)
	}
	_, err := duckling.Get[string](t.Context(), b, "SELEC")
	wantCode(t, err, duckling.CodeSQLSyntax)
	if fmt.Sprint(reasons) != "[UNAVAILABLE]" {
		t.Fatalf("fell back because of %v", reasons)
	}
}

func TestBreakerTriesOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &held{release: make(chan struct{})}
		b := duckling.NewBreaker(server, duckling.BreakerConfig{Failures: 1, Successes: 1, OpenFor: time.Second})
		server.err = down
		_, err := b.Query(t.Context(), "SELECT 1")
		wantCode(t, err, duckling.CodeUnavailable)

		time.Sleep(time.Second)
		server.err, server.hold = nil, true
		trial := make(chan error, 1)
		go func() {
			_, err := b.Query(t.Context(), "SELECT 1")
			trial <- err
		}()
		synctest.Wait()
		_, err = b.Query(t.Context(), "SELECT 1")
		wantCode(t, err, duckling.CodeBreakerOpen)
		close(server.release)
		if err := <-trial; err != nil {
			t.Fatal(err)
		}
		if _, err := b.Query(t.Context(), "SELECT 1"); err != nil {
			t.Fatal(err)
		}
	})
}

type held struct {
	err     error
	hold    bool
	release chan struct{}
}

func (h *held) Do(context.Context, duckling.Request) (*duckling.Result, error) {
	if h.hold {
		<-h.release
	}
	return nil, h.err
}

func TestIsServerFault(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, down: true, errors.New("other"): true, duckling.ErrClosed: false, context.Canceled: false,
		fmt.Errorf("waiting: %w", context.DeadlineExceeded):                               false,
		&duckling.Error{Code: duckling.CodeRequestTimeout, Err: context.DeadlineExceeded}: true,
		&duckling.Error{Code: duckling.CodeConnect}:                                       true,
		&duckling.Error{Code: duckling.CodeSQLError}:                                      false,
	} {
		if got := duckling.IsServerFault(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
