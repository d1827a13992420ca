// Package openapi holds the description of the gateway's HTTP interface, as OpenAPI 3.1.
package openapi

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/goccy/go-yaml"
)

//go:embed openapi.yaml
var document []byte

// JSON is the document, in JSON. The slice is shared.
var JSON = sync.OnceValue(func() []byte {
	out, err := yaml.YAMLToJSON(document)
	if err != nil {
		return fmt.Appendf(nil, `{"error":%q}`, err) // a test reads the document
	}
	return out
})
