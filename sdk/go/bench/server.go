package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/coder/websocket"
)

const meta = `"meta":{"columns":[{"name":"n","type":"INTEGER"}],"generation":42,"asOf":"2025-01-31T10:00:00.123456Z","lagMs":310}`

// server answers until standard input ends.
func server(ctx context.Context, rows int) error {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	large := largeResult(rows)
	ended := make(chan error, 1)
	go func() {
		ended <- http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r, large) })) //nolint:gosec // a bench needs no time limits
	}()
	fmt.Printf("ws://%s/ws\n", listener.Addr())
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	return <-ended
}

// answer replies to every frame of one connection, in order.
func answer(w http.ResponseWriter, r *http.Request, large []byte) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // the client reports it
	}
	defer func() { _ = conn.CloseNow() }()
	for {
		_, frame, err := conn.Read(r.Context())
		if err != nil {
			return // the client is done
		}
		id := frame[len(`{"id":"`):]
		id = id[:bytes.IndexByte(id, '"')]
		body := []byte(`"success":true,"result":[{"n":1}],"duration":0.1,` + meta + `}`)
		if bytes.Contains(frame, []byte("large")) {
			body = large
		}
		reply := append(append(append([]byte(`{"id":"`), id...), `",`...), body...)
		if err := conn.Write(r.Context(), websocket.MessageText, reply); err != nil {
			return
		}
	}
}

// largeResult is an orders table: integers, a decimal, texts and a timestamp.
func largeResult(rows int) []byte {
	b := []byte(`"success":true,"result":[`)
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"id":%d,"userId":%d,"status":"%s","total":%d.%02d,"createdAt":"2025-01-31 10:%02d:%02d.123456","note":"order number %d"}`,
			i, i*7919%100000, []string{"new", "paid", "shipped"}[i%3], i%5000, i%100, i/60%60, i%60, i)
	}
	return append(b, `],"duration":1,"meta":{"columns":[{"name":"id","type":"BIGINT"},{"name":"userId","type":"INTEGER"},{"name":"status","type":"VARCHAR"},`+
		`{"name":"total","type":"DECIMAL(18,2)"},{"name":"createdAt","type":"TIMESTAMP"},{"name":"note","type":"VARCHAR"}],"generation":42,"asOf":null,"lagMs":null}}`...)
}
