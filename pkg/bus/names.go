package bus

import (
	"fmt"
	"strings"
)

// LoaderControl is the subject on which a database's loader takes requests.
func LoaderControl(database string) string { return "control.loader." + token(database) }

// IngestControl is the subject on which a database's ingest takes requests.
func IngestControl(database string) string { return "control.ingest." + token(database) }

func streamName(database string) string { return "CDC_" + token(database) }

func frameSubject(database string) string { return "cdc." + token(database) + ".frames" }

// token makes one subject token of any text. Ids of letters, digits, - and _
// stay as they are; two different ids never give the same token.
func token(id string) string {
	var out strings.Builder
	for i := range len(id) {
		c := id[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			out.WriteByte(c)
		default:
			fmt.Fprintf(&out, "=%02x", c)
		}
	}
	return out.String()
}
