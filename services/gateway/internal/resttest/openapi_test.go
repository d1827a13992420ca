package resttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/chittihq/duckling/services/gateway/internal/rest"
	"github.com/chittihq/duckling/services/gateway/openapi"
)

// spec is the document, and a compiler of the schemas in it.
type spec struct {
	t        *testing.T
	root     map[string]any
	compiler *jsonschema.Compiler
}

func readSpec(t *testing.T) *spec {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(openapi.JSON()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("openapi.json", parsed); err != nil {
		t.Fatal(err)
	}
	return &spec{t: t, root: parsed.(map[string]any), compiler: c}
}

// at follows a path of keys, and references on the way. It returns what is there and where that really is.
func (s *spec) at(path ...string) (any, string) {
	s.t.Helper()
	var value any = s.root
	pointer := "#"
	for _, name := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, ""
		}
		if value, ok = object[name]; !ok {
			return nil, ""
		}
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		if reference, ok := value.(map[string]any)["$ref"].(string); ok && name != "schema" {
			value, pointer = s.at(strings.Split(strings.TrimPrefix(reference, "#/"), "/")...)
		}
	}
	return value, pointer
}

func (s *spec) validate(pointer string, value any) error {
	s.t.Helper()
	schema, err := s.compiler.Compile("openapi.json" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(pointer))
	if err != nil {
		s.t.Fatalf("%s: %v", pointer, err)
	}
	return schema.Validate(value)
}

// operations are the document's, as "GET /path/:name".
func (s *spec) operations() []string {
	var out []string
	paths, _ := s.at("paths")
	for path, item := range paths.(map[string]any) {
		for method := range item.(map[string]any) {
			if method != "parameters" {
				out = append(out, strings.ToUpper(method)+" "+strings.NewReplacer("{", ":", "}", "").Replace(path))
			}
		}
	}
	sort.Strings(out)
	return out
}

func TestRoutesAndDocumentAgree(t *testing.T) {
	var routes []string
	for _, r := range rest.Routes() {
		routes = append(routes, r.Method+" "+r.Path)
	}
	sort.Strings(routes)
	if documented := readSpec(t).operations(); !slices.Equal(routes, documented) {
		t.Errorf("routes\n%s\ndocument\n%s", strings.Join(routes, "\n"), strings.Join(documented, "\n"))
	}
}

// Every example in the document, wherever it stands beside a schema, must be valid by it.
func TestExamplesAreValid(t *testing.T) {
	s := readSpec(t)
	found := 0
	var walk func(value any, pointer string)
	walk = func(value any, pointer string) {
		switch value := value.(type) {
		case map[string]any:
			if _, ok := value["schema"]; ok {
				examples := map[string]any{}
				if example, ok := value["example"]; ok {
					examples["example"] = example
				}
				if several, ok := value["examples"].(map[string]any); ok {
					for name, example := range several {
						examples[name] = example.(map[string]any)["value"]
					}
				}
				for name, example := range examples {
					found++
					if err := s.validate(pointer+"/schema", example); err != nil {
						t.Errorf("%s %s: %v", pointer, name, err)
					}
				}
			}
			for name, child := range value {
				walk(child, pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
			}
		case []any:
			for i, child := range value {
				walk(child, fmt.Sprintf("%s/%d", pointer, i))
			}
		}
	}
	walk(s.root, "#")
	if found < 20 {
		t.Errorf("only %d examples were found", found)
	}
}

// Every operation is called on a gateway, well and badly, and what it answers must be as documented.
func TestAnswersAreAsDocumented(t *testing.T) {
	s := shop(t, func(c *Config) { c.Access.KeysFile = filepath.Join(t.TempDir(), "keys.json") })
	document := readSpec(t)
	called := map[string]bool{}
	call := func(method, route, path, body string, want int) (out map[string]any) {
		t.Helper()
		called[method+" "+route] = true
		status, text, header := s.send(method, path, body, "Authorization", "Bearer "+key)
		if status != want {
			t.Errorf("%s %s: %d %s, want %d", method, path, status, text, want)
		}
		template := route
		for part := range strings.SplitSeq(route, "/") {
			if name, ok := strings.CutPrefix(part, ":"); ok {
				template = strings.Replace(template, part, "{"+name+"}", 1)
			}
		}
		response, _ := document.at("paths", template, strings.ToLower(method), "responses", fmt.Sprint(status))
		code := fmt.Sprint(status)
		if response == nil {
			code = "default"
		}
		if text == "" {
			return nil
		}
		media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
			return nil
		}
		described, pointer := document.at("paths", template, strings.ToLower(method), "responses", code, "content", media)
		if described == nil {
			t.Errorf("%s %s: %s with status %d is not documented", method, path, media, status)
			return nil
		}
		if media != "application/json" && !strings.HasSuffix(media, "+json") {
			return nil
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Errorf("%s %s: %v: %s", method, path, err, text)
			return nil
		}
		if err := document.validate(pointer+"/schema", value); err != nil {
			t.Errorf("%s %s: %s\n%v", method, path, text, err)
		}
		_ = json.Unmarshal([]byte(text), &out) // what is no object has nothing to look at
		return out
	}
	const get, post, patch, remove = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	for _, path := range []string{"/health/live", "/health/ready", "/health", "/status", "/metrics", "/openapi.json", "/api/databases", "/api/tables", "/api/queries", "/api/jobs"} {
		call(get, path, path, "", 200)
	}
	for _, format := range []string{"json", "compact", "ndjson", "csv", "arrow", "parquet"} {
		call(post, "/api/query", "/api/query?format="+format, sqlBody("SELECT * FROM `Order`"), 200)
		call(get, "/api/query", "/api/query?sql=SELECT+1+AS+a&format="+format, "", 200)
	}
	call(post, "/api/query", "/api/query", sqlBody("SELECT nope FROM User"), 404)
	call(post, "/api/query", "/api/query", sqlBody("DELETE FROM User"), 403)
	call(post, "/api/query", "/api/query", "x", 400)
	call(get, "/api/query", "/api/query", "", 400)
	call(get, "/api/query", "/api/query?sql=SELECT+1&db=nope", "", 404)
	call(remove, "/api/queries/:id", "/api/queries/999", "", 404)

	id := call(post, "/api/jobs", "/api/jobs", sqlBody("SELECT * FROM User"), 202)["id"].(string)
	s.await(id)
	call(get, "/api/jobs", "/api/jobs", "", 200)
	call(get, "/api/jobs/:job", "/api/jobs/"+id, "", 200)
	call(get, "/api/jobs/:job/result", "/api/jobs/"+id+"/result", "", 200)
	call(get, "/api/jobs/:job/result", "/api/jobs/"+id+"/result?limit=10", "", 200)
	call(get, "/api/jobs/:job/result", "/api/jobs/"+id+"/result?limit=x", "", 400)
	call(remove, "/api/jobs/:job", "/api/jobs/"+id, "", 204)
	call(get, "/api/jobs/:job", "/api/jobs/"+id, "", 404)

	const keys = "/api/databases/:database/api-keys"
	made := call(post, keys, "/api/databases/default/api-keys", `{"name":"report","expiresAt":"2090-01-01T00:00:00Z"}`, 201)["apiKey"].(map[string]any)["id"].(string)
	call(post, keys, "/api/databases/default/api-keys", `{}`, 400)
	call(post, keys, "/api/databases/default/api-keys", `{"name":"x","expiresAt":"soon"}`, 400)
	call(post, keys, "/api/databases/default/api-keys", `{"name":"x","expiresAt":"2020-01-01T00:00:00Z"}`, 400)
	call(get, keys, "/api/databases/default/api-keys", "", 200)
	call(patch, keys+"/:key", "/api/databases/default/api-keys/"+made, `{"enabled":false,"expiresAt":null}`, 200)
	call(patch, keys+"/:key", "/api/databases/default/api-keys/key_x", `{"enabled":false}`, 404)
	call(remove, keys+"/:key", "/api/databases/default/api-keys/"+made, "", 200)
	call(remove, keys+"/:key", "/api/databases/default/api-keys/"+made, "", 404)

	for _, part := range []string{"schema", "data", "count"} {
		call(get, "/api/tables/:table/"+part, "/api/tables/Order/"+part, "", 200)
		call(get, "/api/tables/:table/"+part, "/api/tables/Nope/"+part, "", 404)
	}
	for _, c := range []struct{ method, path string }{{get, "/sync/status"}, {get, "/cdc/status"}, {get, "/sync/validate"}, {post, "/sync/full"}, {post, "/sync/table/:table"},
		{get, "/sync/events"}, {post, "/sync/check"}, {post, "/sync/check/:table"}, {post, "/sync/cancel"}, {post, "/sync/cancel/:table"},
		{post, "/sync/pause"}, {post, "/sync/resume"}} {
		call(c.method, c.path, strings.ReplaceAll(c.path, ":table", "Order"), "", 503)
	}
	for _, operation := range document.operations() {
		if !called[operation] {
			t.Errorf("%s was not called", operation)
		}
	}
}
