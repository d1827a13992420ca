package source

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
)

// cell is a value as text, in the form that the oracle's SELECT gives.
func cell(v *frame.ColumnView, c *cdcv1.Column, i int) string {
	if v.Null(i) {
		return null
	}
	switch c.GetType() {
	case cdcv1.Type_TYPE_UINT8, cdcv1.Type_TYPE_UINT16, cdcv1.Type_TYPE_UINT32, cdcv1.Type_TYPE_UINT64:
		return strconv.FormatUint(v.Uint(i), 10)
	case cdcv1.Type_TYPE_FLOAT:
		return strconv.FormatFloat(v.Float64(i)+0, 'g', -1, 32)
	case cdcv1.Type_TYPE_DOUBLE:
		return strconv.FormatFloat(v.Float64(i)+0, 'g', -1, 64) // -0 is 0, as it is to DuckDB and in the oracle's sum
	case cdcv1.Type_TYPE_DECIMAL:
		return decimalText(v, c, i)
	case cdcv1.Type_TYPE_TEXT, cdcv1.Type_TYPE_JSON:
		return string(v.Bytes(i))
	case cdcv1.Type_TYPE_BLOB:
		return hex.EncodeToString(v.Bytes(i))
	case cdcv1.Type_TYPE_DATE:
		return time.Unix(v.Int(i)*86400, 0).UTC().Format("2006-01-02")
	case cdcv1.Type_TYPE_TIMESTAMP:
		return time.UnixMicro(v.Int(i)).UTC().Format("2006-01-02 15:04:05.000000")
	case cdcv1.Type_TYPE_TIME:
		n, sign := v.Int(i), ""
		if n < 0 {
			n, sign = -n, "-"
		}
		return fmt.Sprintf("%s%02d:%02d:%02d.%06d", sign, n/3_600_000_000, n/60_000_000%60, n/1_000_000%60, n%1_000_000)
	default:
		return strconv.FormatInt(v.Int(i), 10)
	}
}

func decimalText(v *frame.ColumnView, c *cdcv1.Column, i int) string {
	n := new(big.Int)
	if v.Width() == 16 {
		lower, upper := v.Wide(i)
		n.SetInt64(upper)
		n.Lsh(n, 64)
		n.Add(n, new(big.Int).SetUint64(lower))
	} else {
		n.SetInt64(v.Int(i))
	}
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
		n.Neg(n)
	}
	text := n.String()
	scale := int(c.GetScale())
	if scale == 0 {
		return sign + text
	}
	if len(text) <= scale {
		text = strings.Repeat("0", scale-len(text)+1) + text
	}
	return sign + text[:len(text)-scale] + "." + text[len(text)-scale:]
}
