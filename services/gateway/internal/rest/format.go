package rest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/chittihq/duckling/services/gateway/internal/encode"
)

// mediaTypes are what clients may ask for in Accept, and the format that they get.
var mediaTypes = map[string]encode.Format{
	"application/json":                      encode.FormatJSON,
	"application/vnd.duckling.compact+json": encode.FormatCompact,
	"application/x-ndjson":                  encode.FormatNDJSON,
	"application/ndjson":                    encode.FormatNDJSON,
	"application/jsonl":                     encode.FormatNDJSON,
	"text/csv":                              encode.FormatCSV,
	"text/*":                                encode.FormatCSV,
	"application/vnd.apache.arrow.stream":   encode.FormatArrow,
	"application/vnd.apache.parquet":        encode.FormatParquet,
	"application/*":                         encode.FormatJSON,
	"*/*":                                   encode.FormatJSON,
}

// negotiate returns the format that a request asks for: by its name, or else by its Accept header.
func negotiate(name, accept string) (encode.Format, error) {
	if name != "" {
		format := encode.Format(strings.ToLower(name))
		if !slices.Contains(encode.Formats, format) {
			return "", invalid("format is '" + name + "'; it can be json, compact, ndjson, csv, arrow or parquet")
		}
		return format, nil
	}
	if strings.TrimSpace(accept) == "" {
		return encode.FormatJSON, nil
	}
	best, format := 0.0, encode.Format("")
	for _, wish := range wishes(accept) {
		if f, ok := mediaTypes[wish.value]; ok && wish.weight > best {
			best, format = wish.weight, f
		}
	}
	if format == "" {
		return "", fiber.NewError(fiber.StatusNotAcceptable, "none of the types in Accept can be had; there are JSON, NDJSON, CSV, Arrow IPC stream and Parquet")
	}
	return format, nil
}

type wish struct {
	value  string
	weight float64
}

// wishes reads a header of the form "a, b;q=0.5". What is malformed has no weight.
func wishes(header string) []wish {
	var out []wish
	for part := range strings.SplitSeq(header, ",") {
		value, parameters, _ := strings.Cut(part, ";")
		w := wish{value: strings.ToLower(strings.TrimSpace(value)), weight: 1}
		for parameter := range strings.SplitSeq(parameters, ";") {
			name, text, _ := strings.Cut(strings.TrimSpace(parameter), "=")
			if strings.EqualFold(name, "q") {
				w.weight, _ = strconv.ParseFloat(text, 64)
			}
		}
		out = append(out, w)
	}
	return out
}
