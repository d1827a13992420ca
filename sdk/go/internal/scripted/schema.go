package scripted

import (
	"bytes"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Check reports whether text is a frame of the given kind (clientMessage or serverMessage)
// as schemas/ws/protocol.schema.json has it.
func Check(kind string, text []byte) error {
	schemas, err := load()
	if err != nil {
		return err
	}
	frame, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("reading the frame: %w", err)
	}
	return schemas[kind].Validate(frame)
}

var load = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		return nil, fmt.Errorf("finding schemas/ws: this program knows nothing of its source")
	}
	file := filepath.Join(filepath.Dir(here), "..", "..", "..", "..", "schemas", "ws", "protocol.schema.json")
	compiler := jsonschema.NewCompiler()
	kinds := make(map[string]*jsonschema.Schema)
	for _, kind := range []string{"clientMessage", "serverMessage"} {
		schema, err := compiler.Compile(file + "#/$defs/" + kind)
		if err != nil {
			return nil, fmt.Errorf("compiling %s: %w", file, err)
		}
		kinds[kind] = schema
	}
	return kinds, nil
})
