package gateway

import (
	"fmt"
	"testing"
)

// A statement is answered each time by how it is asked that time, though what is made for it is kept from one run to the next.
func TestStatementIsAnsweredAsItIsAskedEachTime(t *testing.T) {
	s := shop(t, func(c *Config) { c.ResultCache = 0 })
	c := s.login("/ws")
	const statement = `{"id":"q","type":"query","sql":"SELECT ? AS x, TIMESTAMP '2025-01-31 10:00:00' AS t, 9007199254740993 AS n, '[1]'::JSON AS j",`
	for round := range 3 {
		for _, ask := range []struct{ rest, want string }{
			{`"params":[1]}`, "map[j:[1] n:9007199254740993 t:2025-01-31 10:00:00 x:1]"},
			{`"params":[2]}`, "map[j:[1] n:9007199254740993 t:2025-01-31 10:00:00 x:2]"},
			{`"params":["two"]}`, "map[j:[1] n:9007199254740993 t:2025-01-31 10:00:00 x:two]"},
			{`"params":["two"],"dateMode":"iso"}`, "map[j:[1] n:9007199254740993 t:2025-01-31T10:00:00 x:two]"},
			{`"params":[[3]],"dateMode":"iso"}`, "map[j:[1] n:9007199254740993 t:2025-01-31T10:00:00 x:[3]]"},
			{`"params":[[4]],"numberMode":"number"}`, "map[j:[1] n:9.007199254740992e+15 t:2025-01-31 10:00:00 x:[4]]"},
			{`"params":[true],"jsonMode":"value"}`, "map[j:[1] n:9007199254740993 t:2025-01-31 10:00:00 x:true]"},
			{`"params":[null],"jsonMode":"text"}`, "map[j:[1] n:9007199254740993 t:2025-01-31 10:00:00 x:<nil>]"},
		} {
			c.raw(statement + ask.rest)
			r := c.read()
			if !r.Success || fmt.Sprint(r.Result[0]) != ask.want {
				t.Errorf("round %d, %s: %+v, not %s", round, ask.rest, r, ask.want)
			} else if _, nested := r.Result[0]["j"].([]any); nested != (ask.rest == `"params":[true],"jsonMode":"value"}`) {
				t.Errorf("round %d, %s: JSON as %T", round, ask.rest, r.Result[0]["j"])
			}
		}
	}
}
