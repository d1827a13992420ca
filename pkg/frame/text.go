package frame

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"
)

// KeyText writes the key of row i for people, its columns separated by commas; of a table without a key, the whole row.
func (t *Table) KeyText(i int) string {
	columns := t.Definition.GetKey()
	if len(columns) == 0 {
		for c := range t.Columns {
			columns = append(columns, uint32(c))
		}
	}
	parts := make([]string, len(columns))
	for n, c := range columns {
		parts[n] = t.Columns[c].text(t.Definition.GetColumns()[c], i)
	}
	return strings.Join(parts, ", ")
}

func (c *ColumnView) text(def *cdcv1.Column, i int) string {
	if c.Null(i) {
		return "NULL"
	}
	switch def.GetType() {
	case cdcv1.Type_TYPE_TEXT, cdcv1.Type_TYPE_JSON:
		return strconv.Quote(string(c.Bytes(i)))
	case cdcv1.Type_TYPE_BLOB:
		return "0x" + hex.EncodeToString(c.Bytes(i))
	case cdcv1.Type_TYPE_FLOAT, cdcv1.Type_TYPE_DOUBLE:
		return strconv.FormatFloat(c.Float64(i), 'g', -1, 8*c.width)
	case cdcv1.Type_TYPE_UINT8, cdcv1.Type_TYPE_UINT16, cdcv1.Type_TYPE_UINT32, cdcv1.Type_TYPE_UINT64:
		return strconv.FormatUint(c.Uint(i), 10)
	case cdcv1.Type_TYPE_DATE:
		return time.Unix(86400*c.Int(i), 0).UTC().Format(time.DateOnly)
	case cdcv1.Type_TYPE_TIMESTAMP:
		return time.UnixMicro(c.Int(i)).UTC().Format("2006-01-02 15:04:05.999999")
	case cdcv1.Type_TYPE_TIME:
		return (time.Duration(c.Int(i)) * time.Microsecond).String()
	case cdcv1.Type_TYPE_DECIMAL:
		if c.width == 16 {
			lower, upper := c.Wide(i)
			return fmt.Sprintf("0x%x%016x/10^%d", uint64(upper), lower, def.GetScale())
		}
		return decimal(c.Int(i), int(def.GetScale()))
	default:
		return strconv.FormatInt(c.Int(i), 10)
	}
}

func decimal(v int64, scale int) string {
	sign := ""
	if v < 0 {
		sign = "-"
	}
	digits := strings.TrimPrefix(strconv.FormatInt(v, 10), "-")
	if scale == 0 {
		return sign + digits
	}
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale-len(digits)+1) + digits
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}
