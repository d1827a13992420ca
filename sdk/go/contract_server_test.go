package duckling_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/chittihq/duckling/sdk/go/internal/scripted"
)

// standIn plays the gateway for the statements of TestContract.
func standIn(conn *scripted.Conn) {
	if conn.Database != "default" {
		conn.Close(1011, "Database '"+conn.Database+"' not found. Available databases: default")
		return
	}
	running := map[string]bool{}
	var stream *ranger
	conn.Each(func(f scripted.Frame) bool {
		id := f.ID()
		switch f.Str("type") {
		case "query", "execute":
			switch rows, code := standInRows(f); {
			case f.Str("sql") == endless:
				running[id] = true
			case code != "":
				conn.Fail(id, code, "no")
			default:
				conn.MetaRows(id, rows, standInColumns(rows)...)
			}
		case "batch":
			conn.Send(`{"id":%q,"success":true,"results":[%s],"duration":1}`, id, standInBatch(f))
		case "prepare":
			conn.Send(`{"id":%q,"success":true,"result":[{"statement":"s1","parameters":1,"columns":[{"name":"n","type":"BIGINT"}]}]}`, id)
		case "deallocate":
			conn.Send(`{"id":%q,"success":true,"result":[{"deallocated":true}]}`, id)
		case "cancel":
			target := f.Str("target")
			conn.Send(`{"id":%q,"success":true,"result":[{"cancelled":%v}]}`, id, running[target])
			if running[target] {
				conn.Fail(target, "CANCELLED", "Query cancelled")
			}
		case "stream":
			total, _ := strconv.Atoi(regexp.MustCompile(`range\((\d+)\)`).FindStringSubmatch(f.Str("sql"))[1])
			stream = &ranger{streamer: startStream(conn, f), total: total}
			stream.pump()
		case "credit":
			if stream != nil && stream.id == id {
				stream.credit += number(f["credit"])
				stream.pump()
			}
		case "subscribe":
			sendWhole(conn, id, 0, 1)
		case "unsubscribe":
			conn.Send(`{"id":%q,"success":true,"result":[{"unsubscribed":true}]}`, id)
		}
		return true
	})
}

// ranger streams the numbers below total, as credit allows.
type ranger struct {
	*streamer
	total int
	ended bool
}

func (r *ranger) pump() {
	for r.credit > 0 && r.rows < r.total {
		r.chunk(min(1000, r.total-r.rows))
	}
	if r.rows == r.total && !r.ended {
		r.ended = true
		r.end()
	}
}

// standInRows is the answer to one statement: rows, or a code. An execute is of the one prepared.
func standInRows(f scripted.Frame) (rows, code string) {
	params, _ := f["params"].([]any)
	sql := f.Str("sql")
	if f.Str("type") == "execute" {
		sql = "SELECT CAST(? AS BIGINT) AS n"
	}
	switch sql {
	case "SELECT 1 AS n", "SELECT 1 AS `n`":
		return `[{"n":1}]`, ""
	case "SELECT ? AS a, ? AS b, ? AS c":
		row, err := json.Marshal(map[string]any{"a": params[0], "b": params[1], "c": params[2]})
		if err != nil {
			return "", "INTERNAL"
		}
		return "[" + string(row) + "]", ""
	case "SELECT CAST(? AS BIGINT) AS n":
		if len(params) != 1 {
			return "", "SQL_PARAMS"
		}
		return fmt.Sprintf(`[{"n":%v}]`, params[0]), ""
	case "SELECT 9007199254740993 AS big, 5 AS small":
		return `[{"big":9007199254740993,"small":5}]`, ""
	case "SELECT TIMESTAMP '2025-01-31 10:00:00.5' AS at":
		return `[{"at":"2025-01-31 10:00:00.500000"}]`, ""
	case "SELECT repeat('x', 1000) AS s FROM range(10000)":
		row := `,{"s":"` + strings.Repeat("x", 1000) + `"}`
		return "[" + strings.Repeat(row, 10000)[1:] + "]", ""
	case "SELECT * FROM no_such_table":
		return "", "NOT_FOUND"
	case "DROP TABLE t":
		return "", "SQL_FORBIDDEN"
	}
	return "", "SQL_SYNTAX"
}

func standInColumns(rows string) []string {
	var all []map[string]any
	if json.Unmarshal([]byte(rows), &all) != nil || len(all) == 0 {
		return []string{}
	}
	var columns []string
	for _, name := range []string{"a", "at", "b", "big", "c", "n", "s", "small"} {
		if _, ok := all[0][name]; ok {
			columns = append(columns, name+" VARCHAR")
		}
	}
	return columns
}

func standInBatch(f scripted.Frame) string {
	queries, _ := f["queries"].([]any)
	items := make([]string, len(queries))
	for i, q := range queries {
		statement, _ := q.(map[string]any)
		rows, code := standInRows(statement)
		if code != "" {
			items[i] = fmt.Sprintf(`{"success":false,"error":"no","code":%q,"retryable":false}`, code)
		} else {
			items[i] = fmt.Sprintf(`{"success":true,"result":%s,"duration":1,"meta":%s}`, rows, scripted.Meta(standInColumns(rows)...))
		}
	}
	return strings.Join(items, ",")
}
