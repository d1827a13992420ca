package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/chittihq/duckling/testkit/stack"
)

// described are the answers that the gateway passes on from others, whose fields its own tests do not know.
var described = map[string]string{
	"GET /sync/status":   "SyncStatus",
	"GET /sync/validate": "Validation",
	"POST /sync/cancel":  "Cancelled",
}

// eventParts are the parts of a progress event, which are as in /sync/status.
var eventParts = map[string]string{"tables": "SyncStatus/properties/tables", "resync": "SyncStatus/properties/resync"}

// schemas are those of the document that the first gateway of the process serves, by name.
var schemas struct {
	sync.Mutex
	byName map[string]*jsonschema.Schema
}

// documented tells what an answer has that the gateway's document does not describe, or not so.
func documented(ctx context.Context, s *stack.Stack, method, path string, answer []byte) error {
	if strings.HasPrefix(path, "/sync/cancel/") {
		path = "/sync/cancel"
	}
	name := described[method+" "+path]
	if name == "" {
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(answer))
	if err != nil {
		return err
	}
	schema, err := schemaOf(ctx, s, name)
	if err != nil {
		return err
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("the answer of %s %s is not as /openapi.json describes it: %s %w", method, path, answer, err)
	}
	return nil
}

// documentedEvent is the same for an event.
func documentedEvent(ctx context.Context, s *stack.Stack, event []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(event))
	if err != nil {
		return err
	}
	parts, ok := value.(map[string]any)
	if _, unavailable := parts["error"]; ok && unavailable && len(parts) == 1 {
		return nil
	}
	if !ok || len(parts) != len(eventParts) {
		return fmt.Errorf("the event %s is not as /openapi.json describes it", event)
	}
	for part, name := range eventParts {
		schema, err := schemaOf(ctx, s, name)
		if err != nil {
			return err
		}
		if err := schema.Validate(parts[part]); err != nil {
			return fmt.Errorf("the event %s is not as /openapi.json describes it: %w", event, err)
		}
	}
	return nil
}

func schemaOf(ctx context.Context, s *stack.Stack, name string) (*jsonschema.Schema, error) {
	schemas.Lock()
	defer schemas.Unlock()
	if schemas.byName == nil {
		if err := readDocument(ctx, s); err != nil {
			return nil, err
		}
	}
	return schemas.byName[name], nil
}

func readDocument(ctx context.Context, s *stack.Stack) error {
	text, err := s.Ask(ctx, http.MethodGet, "/openapi.json")
	if err != nil {
		return err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	closed(document)
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("openapi.json", document); err != nil {
		return err
	}
	byName := make(map[string]*jsonschema.Schema)
	for _, name := range slices.AppendSeq(slices.Collect(maps.Values(described)), maps.Values(eventParts)) {
		if byName[name], err = compiler.Compile("openapi.json#/components/schemas/" + name); err != nil {
			return err
		}
	}
	schemas.byName = byName
	return nil
}

// closed has objects hold nothing that is not described. The document leaves them open, for clients of later releases.
func closed(value any) {
	switch value := value.(type) {
	case map[string]any:
		if _, ok := value["properties"].(map[string]any); ok && value["additionalProperties"] == nil {
			value["additionalProperties"] = false
		}
		for _, child := range value {
			closed(child)
		}
	case []any:
		for _, child := range value {
			closed(child)
		}
	}
}
