package schema

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
)

// Reserved begins the names of the loader's own tables. They share a schema
// with the readers' tables because DuckDB renames a table only within its
// schema; readers are not shown them.
const Reserved = "__duckling_"

// Type is the DuckDB type of a column, as SQL writes it. The definition must
// have passed frame.CheckDefinition.
func Type(c *cdcv1.Column) string {
	if c.GetType() == cdcv1.Type_TYPE_DECIMAL {
		return fmt.Sprintf("DECIMAL(%d,%d)", c.GetPrecision(), c.GetScale())
	}
	return types[c.GetType()]
}

var types = map[cdcv1.Type]string{
	cdcv1.Type_TYPE_INT8: "TINYINT", cdcv1.Type_TYPE_INT16: "SMALLINT",
	cdcv1.Type_TYPE_INT32: "INTEGER", cdcv1.Type_TYPE_INT64: "BIGINT",
	cdcv1.Type_TYPE_UINT8: "UTINYINT", cdcv1.Type_TYPE_UINT16: "USMALLINT",
	cdcv1.Type_TYPE_UINT32: "UINTEGER", cdcv1.Type_TYPE_UINT64: "UBIGINT",
	cdcv1.Type_TYPE_FLOAT: "FLOAT", cdcv1.Type_TYPE_DOUBLE: "DOUBLE",
	cdcv1.Type_TYPE_TEXT: "VARCHAR", cdcv1.Type_TYPE_BLOB: "BLOB", cdcv1.Type_TYPE_JSON: "JSON",
	cdcv1.Type_TYPE_DATE: "DATE", cdcv1.Type_TYPE_TIMESTAMP: "TIMESTAMP", cdcv1.Type_TYPE_TIME: "INTERVAL",
}

// Columns lists the quoted names of all columns of def, each after prefix.
func Columns(def *cdcv1.TableDefinition, prefix string) string {
	names := make([]string, len(def.GetColumns()))
	for i, c := range def.GetColumns() {
		names[i] = prefix + duck.Identifier(c.GetName())
	}
	return strings.Join(names, ", ")
}

// Key lists the quoted names of the key's columns, each after prefix.
func Key(def *cdcv1.TableDefinition, prefix string) string {
	names := make([]string, len(def.GetKey()))
	for i, k := range def.GetKey() {
		names[i] = prefix + duck.Identifier(def.GetColumns()[k].GetName())
	}
	return strings.Join(names, ", ")
}

// CreateTable is the statement that makes an empty table for rows of def, with
// extra columns before them. There are no keys or constraints: an index would
// multiply the blocks that each checkpoint changes.
func CreateTable(create, name string, extra string, def *cdcv1.TableDefinition) string {
	columns := make([]string, len(def.GetColumns()))
	for i, c := range def.GetColumns() {
		columns[i] = duck.Identifier(c.GetName()) + " " + Type(c)
	}
	return fmt.Sprintf("%s %s (%s%s)", create, name, extra, strings.Join(columns, ", "))
}

// CreateDescribed are the statements that make an empty table for rows of def as readers are to see it, with the defaults and
// comments of its source.
func CreateDescribed(create, name string, def *cdcv1.TableDefinition) []string {
	plain := proto.CloneOf(def)
	plain.Comment = ""
	for _, c := range plain.GetColumns() {
		c.Comment, c.Default = "", nil
	}
	return append([]string{CreateTable(create, name, "", def)}, describe(name, plain, def)...)
}
