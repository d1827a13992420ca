package resttest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

// A source's tables may have any name, which is escaped in a path as it has to be.
func TestTablesOfAnyName(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	names := []string{"two words", "Größe", "100%", "a/b", "x.csv", "question?", "it's", `"quoted"`, "#1", "%55ser", "*", "select"}
	for _, name := range names {
		p.Exec("CREATE TABLE " + duck.Identifier(name) + " AS SELECT 7 AS a")
	}
	p.Publish()
	s := start(t, data)
	gentest.Eventually(t, func() bool { status, _ := s.get("/health/ready"); return status == http.StatusOK })
	for _, name := range names {
		at := "/api/tables/" + url.PathEscape(name)
		for path, want := range map[string]string{"/data": `[{"a":7}]`, "/count": `{"count":1}`, "/schema": `"column_name":"a"`} {
			if status, body := s.get(at + path); status != 200 || !strings.Contains(body, want) {
				t.Errorf("%s: %d %s", at+path, status, body)
			}
		}
		if status, body := s.do("POST", "/api/query", sqlBody(`SELECT a FROM "default".`+duck.Identifier(name))); status != 200 || !strings.Contains(body, `[{"a":7}]`) {
			t.Errorf("%s by its name: %d %s", name, status, body)
		}
	}
}
