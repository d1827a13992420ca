package mysqltype

import (
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// KeyLiteral writes a key column's value, as the driver returned it for SelectExpression, so
// that the server compares the column with it in the order of its index.
func (c *Column) KeyLiteral(v driver.Value) (string, error) {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'e', -1, 64), nil
	case float32:
		// The column is compared as a double; so is the exact value of the float.
		return strconv.FormatFloat(float64(v), 'e', -1, 64), nil
	case string:
		return c.keyText([]byte(v))
	case []byte:
		return c.keyText(v)
	}
	return "", fmt.Errorf("column %q: a key value of type %T", c.Name, v)
}

// Integer says that the column holds whole numbers, as numbers.
func (c *Column) Integer() bool { return c.kind == kindInt || c.kind == kindUint }

func (c *Column) keyText(v []byte) (string, error) {
	switch c.kind {
	case kindInt, kindUint, kindDecimal, kindWideDecimal:
		return string(v), nil
	case kindBit:
		return strconv.FormatUint(bigEndian(v), 10), nil
	case kindEnum:
		// The index has the order of the labels, which only a comparison with a number keeps.
		i := slices.Index(c.Labels(), string(v))
		return strconv.Itoa(i + 1), nil
	case kindSet:
		var members uint64
		for _, label := range strings.Split(string(v), ",") {
			if i := slices.Index(c.Labels(), label); i >= 0 {
				members |= 1 << i
			}
		}
		return strconv.FormatUint(members, 10), nil
	case kindText:
		return "_utf8mb4 x'" + hex.EncodeToString(v) + "'", nil
	case kindBinary, kindBlob:
		return "x'" + hex.EncodeToString(v) + "'", nil
	default: // dates, times, addresses: plain characters
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(string(v)) + "'", nil
	}
}

// SameOrder says that DuckDB sorts the column's values as the source does. Text has the source's collations, and dates that are carried as
// null have lost their place.
func (c *Column) SameOrder() bool {
	switch c.kind {
	case kindInt, kindUint, kindBit, kindDecimal, kindBinary, kindBlob:
		return c.mask == nil
	}
	return false
}

// BoundText turns what KeyLiteral wrote of a column with SameOrder into text that DuckDB casts to the column's type.
func BoundText(literal string) (string, error) {
	digits, isHex := strings.CutPrefix(literal, "x'")
	if !isHex {
		return literal, nil
	}
	data, err := hex.DecodeString(strings.TrimSuffix(digits, "'"))
	if err != nil {
		return "", fmt.Errorf("the key literal %s makes no sense", literal)
	}
	return blobText(data), nil
}
