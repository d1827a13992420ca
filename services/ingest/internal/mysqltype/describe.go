package mysqltype

import (
	"fmt"
	"strings"
)

// SchemaColumn is a row of information_schema.COLUMNS.
type SchemaColumn struct {
	Name       string
	DataType   string // DATA_TYPE
	ColumnType string // COLUMN_TYPE
	Precision  int    // NUMERIC_PRECISION
	Scale      int    // NUMERIC_SCALE
	Length     int64  // CHARACTER_MAXIMUM_LENGTH
	Charset    string // CHARACTER_SET_NAME
	Nullable   bool
	Comment    string
}

// Describe says how a column is carried, from what the source's schema says of it.
// It returns an *UnsupportedError for a type this release does not know.
func Describe(s SchemaColumn) (Column, error) {
	c := Column{Name: s.Name, SourceType: s.ColumnType, Comment: s.Comment, Nullable: s.Nullable}
	integer := func(width int) {
		c.kind, c.width = kindInt, width
		if strings.Contains(s.ColumnType, "unsigned") || strings.Contains(s.ColumnType, "zerofill") {
			c.kind = kindUint
		}
	}
	if strings.HasSuffix(s.ColumnType, ") /* mariadb-5.3 */") {
		return Column{}, errOldFraction(s.Name)
	}
	switch strings.ToLower(s.DataType) {
	case "tinyint":
		integer(1)
	case "smallint":
		integer(2)
	case "mediumint":
		integer(3)
	case "int", "integer":
		integer(4)
	case "bigint":
		integer(8)
	case "year":
		c.kind = kindYear
	case "bit":
		c.kind = kindBit
	case "decimal", "numeric":
		c.setDecimal(s.Precision, s.Scale)
	case "float":
		c.kind = kindFloat
	case "double", "real":
		c.kind = kindDouble
	case "date":
		c.kind = kindDate
	case "datetime":
		c.kind = kindDatetime
	case "timestamp":
		c.kind = kindTimestamp
	case "time":
		c.kind = kindTime
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		if strings.Contains(s.ColumnType, "/*") && strings.Contains(s.ColumnType, "COMPRESSED") {
			return Column{}, &UnsupportedError{s.Name, "MariaDB's COMPRESSED columns are not supported"}
		}
		c.kind = kindText
	case "binary":
		c.kind, c.width = kindBinary, int(s.Length)
	case "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		if strings.Contains(s.ColumnType, "/*") && strings.Contains(s.ColumnType, "COMPRESSED") {
			return Column{}, &UnsupportedError{s.Name, "MariaDB's COMPRESSED columns are not supported"}
		}
		c.kind = kindBlob
	case "enum":
		c.kind = kindEnum
	case "set":
		c.kind = kindSet
	case "json":
		c.kind = kindJSON
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring",
		"multipolygon", "geometrycollection", "geomcollection":
		c.kind = kindGeometry
	case "vector":
		c.kind = kindVector
	case "uuid":
		c.kind = kindUUID
	case "inet4":
		c.kind = kindInet4
	case "inet6":
		c.kind = kindInet6
	default:
		return Column{}, &UnsupportedError{s.Name, fmt.Sprintf("type %s is unknown to this release", s.ColumnType)}
	}
	return c, nil
}

func (c *Column) setDecimal(precision, scale int) {
	c.kind, c.precision, c.scale = kindDecimal, precision, scale
	if precision > MaxDecimal {
		c.kind = kindWideDecimal
	}
}

// SelectExpression is what to ask the source for in place of the column, so
// that AppendValue understands the answer.
func (c *Column) SelectExpression() string {
	name := QuoteName(c.Name)
	switch c.kind {
	case kindUUID, kindInet4, kindInet6:
		return "CAST(" + name + " AS CHAR)"
	default:
		return name
	}
}

// QuoteName writes an identifier for a statement.
func QuoteName(name string) string {
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}
