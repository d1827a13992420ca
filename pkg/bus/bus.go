// Package bus carries opaque payloads from one writer to its readers through
// JetStream, in order and without loss that goes unnoticed. Each source
// database has one stream; a payload that exceeds the server's max_payload
// travels in parts. The package also carries control requests and their
// replies. It is the only package that imports nats.go.
package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// connectTimeout bounds the first connection, all addresses taken together.
	connectTimeout = 5 * time.Second
	// requestTimeout bounds one question to the server where the caller set no earlier deadline.
	requestTimeout = 5 * time.Second
	// minMaxPayload is what a part with its headers needs to be worth sending.
	minMaxPayload = 64 << 10
)

// Config says how to reach NATS.
type Config struct {
	// URL holds one address or several, separated by commas, as in
	// nats://user:password@host:4222, nats://token@host or tls://host.
	URL string
	// Name is shown by the server beside the connection.
	Name string
	// CAFile holds PEM certificates to trust for tls:// besides the system's.
	CAFile string
	Logger *slog.Logger
}

// Bus is a connection to NATS. It reconnects for ever once Connect has
// succeeded. All methods may be called from several goroutines.
type Bus struct {
	nc    *nats.Conn
	js    jetstream.JetStream
	log   *slog.Logger
	host  string
	codec codec

	// links counts connections: what was begun on an earlier one is lost.
	links atomic.Uint64

	mu       sync.Mutex
	watchers map[*watcher]struct{}
}

// watcher is told when the connection is lost and when it is back.
type watcher struct{ changed func() }

// Connect opens a connection and makes sure that the server runs JetStream.
// It tries for a few seconds and then fails with an error that names the
// host, never the credentials.
func Connect(ctx context.Context, cfg Config) (*Bus, error) {
	host, err := hosts(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("reading NATS_URL: %w", err)
	}
	codec, err := newCodec()
	if err != nil {
		return nil, err
	}
	b := &Bus{codec: codec, log: cfg.Logger.With("nats", host), host: host, watchers: map[*watcher]struct{}{}}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := b.dial(ctx, cfg); err != nil {
		return nil, fmt.Errorf("connecting to NATS at %s (NATS_URL): %w", host, err)
	}
	if err := b.checkServer(ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("using NATS at %s (NATS_URL): %w", host, err)
	}
	return b, nil
}

func (b *Bus) dial(ctx context.Context, cfg Config) error {
	options := []nats.Option{
		nats.Name(cfg.Name),
		nats.Timeout(2 * time.Second),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(200 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		// A rotated password must not end reconnecting for good.
		nats.IgnoreAuthErrorAbort(),
		// Nothing is kept for later: what a publisher sends after a break could only be refused.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { b.disconnected(err) }),
		nats.ReconnectHandler(func(*nats.Conn) { b.reconnected() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Warn("nats reported a problem", "error", err)
		}),
	}
	if cfg.CAFile != "" {
		options = append(options, nats.RootCAs(cfg.CAFile))
	}
	for {
		nc, err := nats.Connect(cfg.URL, options...)
		if err == nil {
			b.nc = nc
			break
		}
		if !mayHeal(err) {
			return explain(err)
		}
		select {
		case <-ctx.Done():
			return explain(err)
		case <-time.After(200 * time.Millisecond):
		}
	}
	js, err := jetstream.New(b.nc)
	if err != nil {
		b.nc.Close()
		return fmt.Errorf("preparing the JetStream client: %w", err)
	}
	b.js = js
	return nil
}

// mayHeal says whether a server that is just starting could be the cause.
func mayHeal(err error) bool {
	var network *net.OpError
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || errors.As(err, &network)
}

func explain(err error) error {
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		return errors.New("the server refused the user, password or token; correct them in the URL")
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrTimeout):
		return errors.New("no answer; check host and port, and that nats-server runs")
	}
	return err
}

func (b *Bus) checkServer(ctx context.Context) error {
	if size := b.nc.MaxPayload(); size < minMaxPayload {
		return fmt.Errorf("the server's max_payload is %d bytes; set it to at least %d, better 8 MB", size, minMaxPayload)
	}
	_, err := b.js.AccountInfo(ctx)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		return errors.New("the server runs without JetStream; start it with -js and a store directory")
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return errors.New("JetStream is not enabled for this account; enable it in the server's configuration")
	case err != nil:
		return fmt.Errorf("asking for JetStream's state: %w", err)
	}
	return nil
}

// Close ends the connection. Publishers and consumers on it fail.
func (b *Bus) Close() { b.nc.Close() }

// Connected says whether there is a connection at this moment.
func (b *Bus) Connected() bool { return b.nc.IsConnected() }

// watch calls changed, which must not block, whenever the connection is lost
// or back. The returned function ends that.
func (b *Bus) watch(changed func()) (stop func()) {
	w := &watcher{changed: changed}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers[w] = struct{}{}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, w)
	}
}

func (b *Bus) notify() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for w := range b.watchers {
		w.changed()
	}
}

func (b *Bus) disconnected(err error) {
	// A closed bus reports its own end here, without an error.
	if err != nil {
		b.log.Warn("nats connection lost", "error", err)
	}
	b.links.Add(1)
	b.notify()
}

func (b *Bus) reconnected() {
	b.log.Info("nats connection is back")
	b.notify()
}

// wrap gives an error of the client the type that callers decide on.
func (b *Bus) wrap(doing string, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
	case !b.nc.IsConnected(),
		errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrDisconnected),
		errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionReconnecting):
		err = fmt.Errorf("%w: %s", ErrDisconnected, b.host)
	case errors.Is(err, jetstream.ErrStreamNotFound):
		err = ErrNoStream
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// hosts returns the addresses in a NATS URL without credentials.
func hosts(urls string) (string, error) {
	var out []string
	for part := range strings.SplitSeq(urls, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if !strings.Contains(part, "://") {
			part = "nats://" + part
		}
		u, err := url.Parse(part)
		// An @ beyond the host means that the password holds a character that ended it.
		if err != nil || u.Host == "" || strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
			return "", errors.New("not a URL like nats://user:password@host:4222; characters such as / ? # % in user or password must be percent-encoded")
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return "", errors.New("the scheme must be nats:// or tls://, as in nats://host:4222")
		}
		out = append(out, u.Host)
	}
	if len(out) == 0 {
		return "", errors.New("it is empty; set it to something like nats://host:4222")
	}
	return strings.Join(out, ","), nil
}
