package duckling_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/sdk/go/internal/scripted"
)

// The examples talk to a server that knows just their statements.
var (
	exampleURL string
	exampleKey = scripted.Key
)

func TestMain(m *testing.M) {
	server := httptest.NewServer(http.HandlerFunc(serveExamples))
	exampleURL = strings.Replace(server.URL, "http", "ws", 1) + "/ws"
	// What the server itself keeps running is no leak of the client's.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), goleak.Cleanup(func(int) { server.Close() }))
}

func exampleClient() *duckling.Client {
	client, err := duckling.New(duckling.Config{URL: exampleURL, APIKey: exampleKey})
	if err != nil {
		panic(err) // the configuration is a constant
	}
	return client
}

func serveExamples(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	for {
		_, text, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		var f struct{ ID, Type, SQL string }
		if json.Unmarshal(text, &f) != nil {
			return
		}
		for _, reply := range exampleReplies(f.Type, f.SQL) {
			frame := fmt.Sprintf(`{"id":%q,%s}`, f.ID, reply)
			if err := scripted.Check("serverMessage", []byte(frame)); err != nil {
				panic(fmt.Sprintf("%s: %v", frame, err)) // an example would show what cannot be
			}
			if conn.Write(context.WithoutCancel(r.Context()), websocket.MessageText, []byte(frame)) != nil {
				return
			}
		}
	}
}

func exampleReplies(kind, sql string) []string {
	rows := func(rows string, columns ...string) []string {
		return []string{`"success":true,"result":` + rows + `,"duration":0.8,"meta":` + scripted.Meta(columns...)}
	}
	switch kind {
	case "auth":
		return []string{`"success":true,"result":[{"authenticated":true,"message":"Authentication successful"}]`}
	case "batch":
		return []string{`"success":true,"results":[{"success":true,"result":[{"n":2}],"duration":0.5},` +
			`{"success":false,"error":"Table \"Usr\" does not exist","code":"NOT_FOUND","retryable":false,"position":14}],"duration":1.1`}
	case "prepare":
		return []string{`"success":true,"result":[{"statement":"s1","parameters":1,"columns":[{"name":"name","type":"VARCHAR"}]}]`}
	case "execute":
		return rows(`[{"name":"Ada"}]`, "name VARCHAR")
	case "stream":
		return []string{
			`"success":true,"type":"start","meta":` + scripted.Meta("id BIGINT"),
			`"success":true,"type":"chunk","seq":0,"result":[{"id":1},{"id":2}]`,
			`"success":true,"type":"end","chunks":1,"rows":2,"duration":3.4`,
		}
	case "subscribe":
		return []string{`"success":true,"type":"update","seq":0,"result":[{"status":"new","n":3}],"duration":0.9,"meta":` + scripted.Meta("status VARCHAR", "n BIGINT")}
	case "query":
		switch {
		case strings.HasPrefix(sql, "SELEC "):
			return []string{`"success":false,"error":"syntax error at or near \"SELEC\"","code":"SQL_SYNTAX","retryable":false,"position":0`}
		case strings.Contains(sql, "totalRevenue"):
			return rows(`[{"userId":1,"name":"Ada","totalOrders":3,"totalRevenue":9007199254740993.10},{"userId":2,"name":"Bo","totalOrders":1,"totalRevenue":20.00}]`,
				"userId BIGINT", "name VARCHAR", "totalOrders BIGINT", "totalRevenue DECIMAL(38,2)")
		case strings.Contains(sql, "COUNT"):
			return rows(`[{"n":2}]`, "n BIGINT")
		}
		return rows(`[{"id":1,"name":"Ada"},{"id":2,"name":"Bo"}]`, "id BIGINT", "name VARCHAR")
	}
	return nil
}
