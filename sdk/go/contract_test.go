package duckling_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	duckling "github.com/chittihq/duckling/sdk/go"
)

// What a client may rely on, played against the real gateway. The list is the one that the TypeScript client plays too;
// testkit/contract/README.md says what its steps mean.
func TestContract(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "testkit/contract/exchanges.json"))
	if err != nil {
		t.Fatal(err)
	}
	var exchanges []exchange
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&exchanges); err != nil {
		t.Fatal(err)
	}
	server := startContractServer(t, root)
	for _, e := range exchanges {
		t.Run(e.Name, func(t *testing.T) { e.play(t, server) })
	}
}

type exchange struct {
	Name   string
	Client struct {
		Reconnect         *bool
		PingMs, ConnectMs int
	}
	Steps []step
}

type step struct {
	expected

	Server, Body                  string
	Connect                       *struct{ Key, Database string }
	Query, Prepare, Stream, Until string
	Batch                         []string
	Subscribe                     string
	Execute, Await, Abort         string
	Read, Rest, Next, Leave       string
	Event                         string
	Ping                          bool

	As                string
	Params            []any
	Retry             bool
	TimeoutMs         int
	ChunkRows, Window int // this client has its own
	Parameters        int
}

// expected is what an outcome has to be.
type expected struct {
	Rows        []map[string]any
	Count       *int
	Sum, Length map[string]int
	Each        map[string]any
	Error, Text string
	Results     []expected
}

// outcome is what became of a request.
type outcome struct {
	rows    []map[string]any
	results []outcome
	err     error
}

// begun is a request that a later step waits for.
type begun struct {
	done  chan outcome
	abort context.CancelFunc
}

// player plays one exchange.
type player struct {
	server        *contractServer
	cfg           duckling.Config
	client        *duckling.Client
	events        chan string
	begun         map[string]begun
	statements    map[string]*duckling.Stmt
	streams       map[string]*duckling.RowStream
	subscriptions map[string]subscription
}

type subscription struct {
	next func() (*duckling.Update, error, bool)
	stop func()
}

func (e exchange) play(t *testing.T, server *contractServer) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	p := &player{
		server: server, events: make(chan string, 1000), begun: map[string]begun{},
		statements: map[string]*duckling.Stmt{}, streams: map[string]*duckling.RowStream{}, subscriptions: map[string]subscription{},
	}
	p.cfg = duckling.Config{
		URL: server.URL, APIKey: server.Key, NoReconnect: e.Client.Reconnect != nil && !*e.Client.Reconnect,
		MaxReconnectAttempts: -1, ReconnectDelay: ms(20), ConnectTimeout: max(ms(e.Client.ConnectMs), 0), RequestTimeout: time.Minute,
		PingInterval: ms(e.Client.PingMs), OnEvent: func(event duckling.Event) { p.events <- event.Kind.String() },
	}
	if p.cfg.ConnectTimeout == 0 {
		p.cfg.ConnectTimeout = 30 * time.Second
	}
	var err error
	if p.client, err = duckling.New(p.cfg); err != nil {
		t.Fatal(err)
	}
	defer p.client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i, s := range e.Steps {
		if err := p.take(ctx, s); err != nil {
			text, _ := json.Marshal(s) // it is only told
			t.Fatalf("step %d, %.500s: %v", i+1, text, err)
		}
	}
}

func (p *player) take(ctx context.Context, s step) error {
	switch {
	case s.Server != "":
		return p.server.ask(ctx, s.Server, s.Body)
	case s.Connect != nil:
		return s.check(p.connect(ctx, s))
	case s.Query != "":
		return p.request(ctx, s, func(ctx context.Context) outcome {
			return rowsOf(p.client.Do(ctx, duckling.Request{SQL: s.Query, Args: s.Params, Retry: s.Retry, Timeout: s.timeout()}))
		})
	case s.Batch != nil:
		return p.request(ctx, s, func(ctx context.Context) outcome { return p.batch(ctx, s) })
	case s.Until != "":
		return p.until(ctx, s)
	case s.Await != "":
		return s.check(<-p.begun[s.Await].done)
	case s.Abort != "":
		p.begun[s.Abort].abort()
		return expected{Error: "ABORTED"}.check(<-p.begun[s.Abort].done)
	case s.Prepare != "":
		statement, err := p.client.Prepare(ctx, s.Prepare)
		if err == nil && statement.Parameters() != s.Parameters {
			err = fmt.Errorf("%d parameters", statement.Parameters())
		}
		p.statements[s.As] = statement
		return err
	case s.Execute != "":
		return p.request(ctx, s, func(ctx context.Context) outcome { return rowsOf(p.statements[s.Execute].Query(ctx, s.Params...)) })
	case s.Stream != "":
		stream, err := p.client.OpenStream(ctx, duckling.Request{SQL: s.Stream, Args: s.Params})
		p.streams[s.As] = stream
		return err
	case s.Read != "":
		return s.check(read(p.streams[s.Read], *s.Count))
	case s.Rest != "":
		return s.check(read(p.streams[s.Rest], -1))
	case s.Subscribe != "":
		next, stop := iter.Pull2(p.client.Subscribe(ctx, duckling.Subscription{SQL: s.Subscribe, Args: s.Params}))
		p.subscriptions[s.As] = subscription{next, stop}
		return nil
	case s.Next != "":
		update, err, _ := p.subscriptions[s.Next].next()
		if err != nil {
			return err
		}
		return s.check(rowsOf(update.Result, nil))
	case s.Leave != "":
		p.leave(s.Leave)
		return nil
	case s.Event != "":
		return p.event(ctx, s.Event)
	case s.Ping:
		return p.client.Ping(ctx)
	}
	return errors.New("no such step")
}

func (s step) timeout() time.Duration { return time.Duration(s.TimeoutMs) * time.Millisecond }

func (p *player) connect(ctx context.Context, s step) outcome {
	cfg := p.cfg
	cfg.NoReconnect, cfg.OnEvent, cfg.Database = true, nil, s.Connect.Database
	if s.Connect.Key != "" {
		cfg.APIKey = s.Connect.Key
	}
	other, err := duckling.Open(ctx, cfg)
	if err == nil {
		other.Close()
	}
	return outcome{err: err}
}

// request runs now, or beside the next steps when it has a name.
func (p *player) request(ctx context.Context, s step, send func(context.Context) outcome) error {
	if s.As == "" {
		return s.check(send(ctx))
	}
	ctx, cancel := context.WithCancel(ctx)
	b := begun{make(chan outcome, 1), cancel}
	p.begun[s.As] = b
	go func() { b.done <- send(ctx) }()
	return nil
}

func (p *player) batch(ctx context.Context, s step) outcome {
	b := duckling.Batch{Retry: s.Retry, Timeout: s.timeout()}
	for _, sql := range s.Batch {
		b.Statements = append(b.Statements, duckling.Statement{SQL: sql})
	}
	results, err := p.client.DoBatch(ctx, b)
	if results == nil {
		return outcome{err: err}
	}
	o := outcome{results: make([]outcome, len(results))}
	for i, result := range results {
		if result != nil {
			o.results[i] = rowsOf(result, nil)
		}
	}
	for _, failed := range joined(err) {
		var one *duckling.BatchError
		if !errors.As(failed, &one) {
			return outcome{err: err}
		}
		o.results[one.Index].err = one
	}
	return o
}

func joined(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return nil
}

// until asks again until the answer is as expected, for at most a minute.
func (p *player) until(ctx context.Context, s step) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := s.check(rowsOf(p.client.Query(ctx, s.Until)))
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *player) leave(name string) {
	if s, ok := p.statements[name]; ok {
		s.Close()
	}
	if s, ok := p.streams[name]; ok {
		s.Close()
	}
	if s, ok := p.subscriptions[name]; ok {
		s.stop()
	}
}

// event waits for one; it and those before it are then past.
func (p *player) event(ctx context.Context, name string) error {
	for {
		select {
		case got := <-p.events:
			if got == name {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func rowsOf(result *duckling.Result, err error) outcome {
	if err != nil {
		return outcome{err: err}
	}
	rows, err := duckling.Collect[map[string]any](result)
	return outcome{rows: rows, err: err}
}

// read takes so many rows of a stream, or all that are left.
func read(stream *duckling.RowStream, count int) outcome {
	var o outcome
	for count < 0 || len(o.rows) < count {
		if !stream.Next() {
			o.err = stream.Err()
			return o
		}
		row, err := stream.Row().Map()
		if err != nil {
			return outcome{err: err}
		}
		o.rows = append(o.rows, row)
	}
	return o
}

func (want expected) check(got outcome) error {
	if want.Error != "" || got.err != nil {
		code := string(duckling.CodeOf(got.err))
		if errors.Is(got.err, context.Canceled) {
			code = "ABORTED"
		}
		if code != want.Error || !strings.Contains(fmt.Sprint(got.err), want.Text) {
			if got.err == nil {
				return fmt.Errorf("it succeeded, and was to fail by %q %q", want.Error, want.Text)
			}
			return fmt.Errorf("the outcome is %w (%s), not %q %q", got.err, code, want.Error, want.Text)
		}
		return nil
	}
	if want.Results != nil {
		if len(got.results) != len(want.Results) {
			return fmt.Errorf("%d results", len(got.results))
		}
		var wrong []error
		for i, w := range want.Results {
			wrong = append(wrong, w.check(got.results[i]))
		}
		return errors.Join(wrong...)
	}
	if want.Rows != nil && !slices.EqualFunc(got.rows, want.Rows, func(a, b map[string]any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
		return fmt.Errorf("the rows are %v, not %v", got.rows, want.Rows)
	}
	if want.Count != nil && len(got.rows) != *want.Count {
		return fmt.Errorf("%d rows, not %d", len(got.rows), *want.Count)
	}
	return want.checkColumns(got.rows)
}

func (want expected) checkColumns(rows []map[string]any) error {
	sum, length := map[string]int{}, map[string]int{}
	for _, row := range rows {
		for column := range want.Sum {
			n, err := row[column].(json.Number).Int64()
			if err != nil {
				return err
			}
			sum[column] += int(n)
		}
		for column := range want.Length {
			length[column] += len(fmt.Sprint(row[column]))
		}
		for column, value := range want.Each {
			if fmt.Sprint(row[column]) != fmt.Sprint(value) {
				return fmt.Errorf("%s is %v in a row, not %v", column, row[column], value)
			}
		}
	}
	if fmt.Sprint(sum, length) != fmt.Sprint(nonNil(want.Sum), nonNil(want.Length)) {
		return fmt.Errorf("sums %v and lengths %v, not %v and %v", sum, length, want.Sum, want.Length)
	}
	return nil
}

func nonNil(m map[string]int) map[string]int {
	if m == nil {
		return map[string]int{}
	}
	return m
}
