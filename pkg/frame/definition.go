package frame

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"
)

// Fingerprint identifies how rows of a table are to be read: FNV-1a 64 over
// the table's name, and each column's name, type, precision and scale in
// order, and the key. What is only for people (comments, source types,
// nullability) does not change it.
func Fingerprint(def *cdcv1.TableDefinition) uint64 {
	h := fnv.New64a()
	var n [8]byte
	number := func(v uint64) {
		binary.LittleEndian.PutUint64(n[:], v)
		h.Write(n[:])
	}
	text := func(s string) {
		number(uint64(len(s)))
		h.Write([]byte(s))
	}
	text(def.GetTable())
	number(uint64(len(def.GetColumns())))
	for _, c := range def.GetColumns() {
		text(c.GetName())
		number(uint64(c.GetType()))
		number(uint64(c.GetPrecision()))
		number(uint64(c.GetScale()))
	}
	number(uint64(len(def.GetKey())))
	for _, k := range def.GetKey() {
		number(uint64(k))
	}
	return h.Sum64()
}

// CheckDefinition reports whether def can be followed at all: it has columns,
// every type is known, decimals fit, keys point at columns, the fingerprint is its own.
func CheckDefinition(def *cdcv1.TableDefinition) error {
	if def.GetTable() == "" {
		return fmt.Errorf("table definition without a name")
	}
	if len(def.GetColumns()) == 0 {
		return fmt.Errorf("definition of table %q has no columns", def.GetTable())
	}
	for _, c := range def.GetColumns() {
		if c.GetName() == "" {
			return fmt.Errorf("definition of table %q has a column without a name", def.GetTable())
		}
		if c.GetType() == cdcv1.Type_TYPE_DECIMAL {
			if c.GetPrecision() < 1 || c.GetPrecision() > 38 || c.GetScale() > c.GetPrecision() {
				return fmt.Errorf("column %q.%q is DECIMAL(%d,%d), outside what a frame can hold",
					def.GetTable(), c.GetName(), c.GetPrecision(), c.GetScale())
			}
			continue
		}
		if Width(c) == 0 {
			return fmt.Errorf("column %q.%q has type %v, unknown to this release", def.GetTable(), c.GetName(), c.GetType())
		}
	}
	for _, k := range def.GetKey() {
		if int(k) >= len(def.GetColumns()) {
			return fmt.Errorf("key of table %q names column %d of %d", def.GetTable(), k, len(def.GetColumns()))
		}
	}
	if got := Fingerprint(def); got != def.GetFingerprint() {
		return fmt.Errorf("definition of table %q says fingerprint %x but has %x", def.GetTable(), def.GetFingerprint(), got)
	}
	return nil
}

// Variable is Width's answer for columns whose values differ in length.
const Variable = -1

// Width is the number of bytes a value of the column takes, Variable for
// TEXT, BLOB and JSON, 0 for a type this release does not know.
func Width(c *cdcv1.Column) int {
	switch c.GetType() {
	case cdcv1.Type_TYPE_INT8, cdcv1.Type_TYPE_UINT8:
		return 1
	case cdcv1.Type_TYPE_INT16, cdcv1.Type_TYPE_UINT16:
		return 2
	case cdcv1.Type_TYPE_INT32, cdcv1.Type_TYPE_UINT32, cdcv1.Type_TYPE_FLOAT, cdcv1.Type_TYPE_DATE:
		return 4
	case cdcv1.Type_TYPE_INT64, cdcv1.Type_TYPE_UINT64, cdcv1.Type_TYPE_DOUBLE,
		cdcv1.Type_TYPE_TIMESTAMP, cdcv1.Type_TYPE_TIME:
		return 8
	case cdcv1.Type_TYPE_DECIMAL:
		return decimalWidth(c.GetPrecision())
	case cdcv1.Type_TYPE_TEXT, cdcv1.Type_TYPE_BLOB, cdcv1.Type_TYPE_JSON:
		return Variable
	default:
		return 0
	}
}

// decimalWidth is DuckDB's own choice of integer for a precision, so that a
// loader can copy the bytes.
func decimalWidth(precision uint32) int {
	switch {
	case precision <= 4:
		return 2
	case precision <= 9:
		return 4
	case precision <= 18:
		return 8
	default:
		return 16
	}
}
