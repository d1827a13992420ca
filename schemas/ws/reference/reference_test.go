package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../../.."

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func schema(t *testing.T) object {
	t.Helper()
	o, err := parse([]byte(readFile(t, "schemas/ws/protocol.schema.json")))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestReferenceIsMadeFromTheSchemaAsItIs(t *testing.T) {
	page := write(schema(t))
	if page != readFile(t, "docs/protocol.md") {
		t.Error("docs/protocol.md is not what the schema says: run make gen")
	}
	// Every definition has its place, and every link one to go to.
	for _, m := range regexp.MustCompile(`\]\(#(\w+)\)`).FindAllStringSubmatch(page, -1) {
		if !regexp.MustCompile(`(?mi)^### ` + m[1] + `$`).MatchString(page) {
			t.Errorf("a link goes to %s, which has no heading", m[1])
		}
	}
	for _, name := range schema(t).at("$defs").names {
		for field := range schema(t).at("$defs").at(name).at("properties").fields {
			if !strings.Contains(page, "`"+field+"`") {
				t.Errorf("the page lacks %s of %s", field, name)
			}
		}
	}
}

// docs/troubleshooting.md has a row for every code the gateway may send, with the status and the retryability that PROTOCOL.md has.
func TestEveryCodeHasItsTroubleshooting(t *testing.T) {
	row := func(page string) map[string]string {
		rows := map[string]string{}
		for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| (yes|no|\\d+|-) \\| (yes|no|\\d+|-) \\| (.*) \\|$").FindAllStringSubmatch(page, -1) {
			facts := []string{m[2], m[3]}
			slices.Sort(facts)
			rows[m[1]] = strings.Join(facts, " ")
		}
		return rows
	}
	protocol, help := row(readFile(t, "schemas/ws/PROTOCOL.md")), row(readFile(t, "docs/troubleshooting.md"))
	codes := schema(t).at("$defs").at("code").list("enum")
	for _, code := range codes {
		if name := code.(string); help[name] == "" || help[name] != protocol[name] {
			t.Errorf("%s is %q in docs/troubleshooting.md and %q in PROTOCOL.md", name, help[name], protocol[name])
		}
	}
	sent := regexp.MustCompile(`Code\s+= "([A-Z_]+)"`).FindAllStringSubmatch(readFile(t, "services/gateway/internal/query/errors.go"), -1)
	if len(sent) < len(codes) {
		t.Errorf("only %d of the gateway's codes were found", len(sent))
	}
	for _, m := range sent {
		if help[m[1]] == "" {
			t.Errorf("the gateway may send %s, which docs/troubleshooting.md does not have", m[1])
		}
	}
	if len(help) != len(codes) || len(protocol) != len(codes) {
		t.Errorf("%d codes, %d rows in docs/troubleshooting.md, %d in PROTOCOL.md", len(codes), len(help), len(protocol))
	}
}
