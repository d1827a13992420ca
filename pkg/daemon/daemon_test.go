package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestRepeatedLogsOnceThenEveryHalfMinuteThenTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		r := NewRepeated(slog.New(slog.NewTextHandler(&log, nil)))
		ctx := context.Background()
		for range 65 {
			r.Failed(ctx, "publishing failed", errors.New("disk full"))
			time.Sleep(time.Second)
		}
		r.Recovered(ctx, "publishing works again")
		r.Recovered(ctx, "publishing works again")
		if got := strings.Count(log.String(), "publishing failed"); got != 3 {
			t.Errorf("%d lines:\n%s", got, log.String())
		}
		if got := strings.Count(log.String(), "works again"); got != 1 || !strings.Contains(log.String(), "times=65") {
			t.Errorf("%d lines:\n%s", got, log.String())
		}
	})
}

func TestHealthIsReadyWhenAllConditionsHold(t *testing.T) {
	h := NewHealth()
	if ready, _ := h.Ready(); ready {
		t.Error("ready without a condition")
	}
	h.Set("nats", nil)
	h.Set("volume", errors.New("read-only"))
	if ready, all := h.Ready(); ready || all["volume"] != "read-only" || all["nats"] != "ok" {
		t.Errorf("%v %v", ready, all)
	}
	h.Set("volume", nil)
	if ready, _ := h.Ready(); !ready {
		t.Error("not ready")
	}
}

// One start over a real port: health, metrics, healthcheck, and the end by a signal.
func TestMainServesUntilASignal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	t.Setenv("METRICS_ADDR", addr)
	healthy := Program{Name: "test", Config: new(struct{})}
	program := Program{Name: "test", Config: new(struct{}), Run: func(ctx context.Context, env *Env) error {
		if code := healthy.Main([]string{"healthcheck"}); code != ExitFailed {
			t.Errorf("healthcheck of an unready service ends with %d", code)
		}
		env.Health.Set("x", nil)
		if code := healthy.Main([]string{"healthcheck"}); code != ExitOK {
			t.Errorf("healthcheck of a ready service ends with %d", code)
		}
		for path, want := range map[string]string{"/health/live": "live", "/metrics": "go_goroutines"} {
			resp, err := http.Get(fmt.Sprintf("http://%s%s", addr, path))
			if err != nil {
				t.Error(err)
				continue
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if !strings.Contains(string(body), want) {
				t.Errorf("%s: %s", path, body)
			}
		}
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	if code := program.Main(nil); code != ExitOK {
		t.Errorf("ended with %d", code)
	}
}

func TestMainTellsFailureFromBadConfiguration(t *testing.T) {
	failing := Program{Name: "test", Config: new(struct{}), Run: func(context.Context, *Env) error { return errors.New("boom") }}
	if code := failing.Main(nil); code != ExitFailed {
		t.Errorf("a failure ends with %d", code)
	}
	if code := failing.Main([]string{"nonsense"}); code != ExitConfig {
		t.Errorf("an unknown command ends with %d", code)
	}
	t.Setenv("LOG_FORMAT", "xml")
	if code := failing.Main(nil); code != ExitConfig {
		t.Errorf("bad configuration ends with %d", code)
	}
}
