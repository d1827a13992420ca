package source

import (
	"bytes"
	"database/sql"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// oracleExpression asks the server itself for the text of a value.
func oracleExpression(name, typ string) string {
	quoted := "`" + name + "`"
	switch typ {
	case "bit", "year", "tinyint", "smallint", "mediumint", "int", "bigint":
		return quoted + "+0"
	case "float", "double": // their text has the digits of the declaration, which are not all that is stored
		return quoted + "+0e0"
	case "geometry", "point":
		return "ST_AsBinary(" + quoted + ")"
	case "datetime", "timestamp":
		return "CAST(DATE_FORMAT(" + quoted + ", '%Y-%m-%d %H:%i:%s.%f') AS CHAR)"
	}
	if strings.HasSuffix(typ, "char") || strings.HasSuffix(typ, "text") {
		return quoted // for MySQL casts what its own character set does not allow to null
	}
	return "CAST(" + quoted + " AS " + map[bool]string{true: "BINARY", false: "CHAR"}[strings.HasSuffix(typ, "blob") || strings.HasSuffix(typ, "binary") || typ == "vector"] + ")"
}

func oracleCell(v sql.RawBytes, typ string) string {
	if v == nil {
		return null
	}
	switch {
	case typ == "time":
		whole, fraction, _ := strings.Cut(string(v), ".")
		return whole + "." + fraction + strings.Repeat("0", 6-len(fraction))
	case strings.HasSuffix(typ, "blob"), strings.HasSuffix(typ, "binary"), typ == "geometry", typ == "point", typ == "vector":
		return hex.EncodeToString(v)
	case typ == "float", typ == "double":
		bits := 64
		if typ == "float" {
			bits = 32
		}
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil {
			return err.Error()
		}
		return strconv.FormatFloat(f, 'g', -1, bits)
	case typ == "datetime", typ == "timestamp", typ == "date": // one that does not exist is null
		if _, err := time.Parse(time.DateOnly, string(v)[:10]); err != nil {
			return null
		}
	case typ == "decimal": // ZEROFILL
		if digits := strings.TrimLeft(string(v), "0"); digits != string(v) {
			return map[bool]string{true: "0"}[digits == "" || digits[0] == '.'] + digits
		}
	}
	// What is no UTF-8 is U+FFFD, once for a surrogate, of which servers make three bytes.
	text := bytes.Clone(v)
	for i := 0; i+2 < len(text); i++ {
		if text[i] == 0xed && text[i+1] >= 0xa0 {
			copy(text[i:], "\uFFFD")
		}
	}
	return string([]rune(string(text)))
}
