package control_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/bus/embedded"
	"github.com/chittihq/duckling/services/gateway/internal/control"
	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

func TestAsk(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	nats, err := embedded.Start(embedded.Config{StoreDir: t.TempDir(), Token: "secret", Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	defer nats.Stop()
	client := control.New(nats.ClientURL(), log)
	if _, err := client.Ask(context.Background(), control.Loader, "shop", control.Command{Op: "status"}); !errors.Is(err, control.ErrUnavailable) {
		t.Errorf("before the connection: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- client.Run(ctx) }()

	loader, err := bus.Connect(ctx, bus.Config{URL: nats.ClientURL(), Name: "loader", Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	defer loader.Close()
	go func() {
		ended <- loader.Serve(ctx, bus.LoaderControl("shop"), func(_ context.Context, request []byte) ([]byte, error) {
			if string(request) == `{"op":"resync","table":"nope"}` {
				return nil, &bus.ControlError{Code: "unknown-table", Message: "there is no table nope"}
			}
			return append([]byte(`{"asked":`), append(request, '}')...), nil
		})
	}()
	var answer []byte
	gentest.Eventually(t, func() bool {
		answer, err = client.Ask(ctx, control.Loader, "shop", control.Command{Op: "resync", Table: "Order"})
		return err == nil
	})
	if string(answer) != `{"asked":{"op":"resync","table":"Order"}}` {
		t.Errorf("got %s", answer)
	}
	var refused *bus.ControlError
	if _, err := client.Ask(ctx, control.Loader, "shop", control.Command{Op: "resync", Table: "nope"}); !errors.As(err, &refused) || refused.Code != "unknown-table" {
		t.Errorf("a refusal: %v", err)
	}
	if _, err := client.Ask(ctx, control.Ingest, "shop", control.Command{Op: "status"}); !errors.Is(err, control.ErrUnavailable) {
		t.Errorf("nobody there: %v", err)
	}
	cancel()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
