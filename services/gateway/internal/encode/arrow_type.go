package encode

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/chittihq/duckling/pkg/duck"
)

// typeKey is the metadata of a field that tells its DuckDB type.
const typeKey = "duckling.type"

// newSchema maps the columns of a result to Arrow, by the table of the package's documentation.
func newSchema(columns []duck.Column, parquet bool) (*arrow.Schema, []*arrowColumn, error) {
	fields := make([]arrow.Field, len(columns))
	out := make([]*arrowColumn, len(columns))
	for i, name := range UniqueNames(columns) {
		c, err := newArrowColumn(columns[i].Type, parquet)
		if err != nil {
			return nil, nil, &UnsupportedTypeError{Column: name, Type: columns[i].Type.String()}
		}
		out[i] = c
		fields[i] = arrow.Field{
			Name: name, Type: c.out, Nullable: true,
			Metadata: arrow.NewMetadata([]string{typeKey}, []string{columns[i].Type.String()}),
		}
	}
	return arrow.NewSchema(fields, nil), out, nil
}

// arrowColumn builds the arrays of one column, or of a part of a nested one.
type arrowColumn struct {
	typ      *duck.Type
	out      arrow.DataType
	build    func(c *arrowColumn, a *arena, v *duck.Vector, p part) (arrow.ArrayData, error)
	width    int // of a value that is laid out as DuckDB does
	children []*arrowColumn
	// text writes the values of a type that Arrow does not have.
	text   *column
	labels [][]byte
}

// plain are the types whose values Arrow lays out as DuckDB does.
var plain = map[duck.TypeID]arrow.DataType{
	duck.TinyInt: arrow.PrimitiveTypes.Int8, duck.SmallInt: arrow.PrimitiveTypes.Int16,
	duck.Integer: arrow.PrimitiveTypes.Int32, duck.BigInt: arrow.PrimitiveTypes.Int64,
	duck.UTinyInt: arrow.PrimitiveTypes.Uint8, duck.USmallInt: arrow.PrimitiveTypes.Uint16,
	duck.UInteger: arrow.PrimitiveTypes.Uint32, duck.UBigInt: arrow.PrimitiveTypes.Uint64,
	duck.Float: arrow.PrimitiveTypes.Float32, duck.Double: arrow.PrimitiveTypes.Float64,
	duck.Date: arrow.FixedWidthTypes.Date32,
	duck.Time: &arrow.Time64Type{Unit: arrow.Microsecond}, duck.TimeNS: &arrow.Time64Type{Unit: arrow.Nanosecond},
	duck.Timestamp: &arrow.TimestampType{Unit: arrow.Microsecond}, duck.TimestampS: &arrow.TimestampType{Unit: arrow.Second},
	duck.TimestampMS: &arrow.TimestampType{Unit: arrow.Millisecond}, duck.TimestampNS: &arrow.TimestampType{Unit: arrow.Nanosecond},
	duck.TimestampTZ: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"},
}

func newArrowColumn(t *duck.Type, parquet bool) (*arrowColumn, error) {
	c := &arrowColumn{typ: t}
	if fixed, ok := plain[t.ID].(arrow.FixedWidthDataType); ok {
		c.out, c.build, c.width = fixed, buildFixed, fixed.Bytes()
		return c, nil
	}
	for _, f := range t.Fields {
		if t.ID == duck.Union {
			break
		}
		child, err := newArrowColumn(f.Type, parquet)
		if err != nil {
			return nil, err
		}
		c.children = append(c.children, child)
	}
	switch t.ID {
	case duck.SQLNull:
		c.out, c.build = arrow.Null, buildNull
	case duck.Boolean:
		c.out, c.build = arrow.FixedWidthTypes.Boolean, buildBoolean
	case duck.Decimal:
		c.out, c.build = &arrow.Decimal128Type{Precision: int32(t.Width), Scale: int32(t.Scale)}, decimalBuilders[t.Storage] //nolint:gosec // at most 38
	case duck.HugeInt, duck.UHugeInt:
		c.out, c.build = &arrow.Decimal128Type{Precision: 38}, buildHuge
	case duck.Varchar:
		c.out, c.build = arrow.BinaryTypes.String, buildBytes
	case duck.Blob, duck.Geometry:
		c.out, c.build = arrow.BinaryTypes.Binary, buildBytes
	case duck.Enum:
		c.out, c.build = arrow.BinaryTypes.String, enumBuilders[t.Storage]
		for _, label := range t.Labels {
			c.labels = append(c.labels, []byte(label))
		}
	case duck.Interval:
		if parquet {
			return c, c.asText()
		}
		c.out, c.build = arrow.FixedWidthTypes.MonthDayNanoInterval, buildInterval
	case duck.BigNum, duck.Bit, duck.UUID, duck.TimeTZ, duck.Union:
		return c, c.asText()
	case duck.List:
		c.out, c.build = arrow.ListOf(c.children[0].out), buildList
	case duck.Array:
		if parquet { // whose writer takes no list of a fixed size that is null
			c.out, c.build = arrow.ListOf(c.children[0].out), buildArrayAsList
			break
		}
		c.out, c.build = arrow.FixedSizeListOf(int32(t.Width), c.children[0].out), buildArray //nolint:gosec // at most 100000
	case duck.Map:
		c.out, c.build = arrow.MapOf(c.children[0].out, c.children[1].out), buildMap
	case duck.Struct:
		c.out, c.build = structType(t, c.children), buildStruct
	default:
		return nil, errUnsupported
	}
	return c, nil
}

// asText makes the column one of text, in the form that JSON has, without its quotes.
func (c *arrowColumn) asText() error {
	text, err := newColumn(c.typ, Options{Numbers: NumbersNumber})
	c.text, c.out, c.build = text, arrow.BinaryTypes.String, buildText
	return err
}

func structType(t *duck.Type, children []*arrowColumn) arrow.DataType {
	fields := make([]arrow.Field, len(children))
	for i, name := range UniqueNames(t.Fields) {
		fields[i] = arrow.Field{Name: name, Type: children[i].out, Nullable: true}
	}
	return arrow.StructOf(fields...)
}
