package duck

import (
	"fmt"
	"strings"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// TypeID names a DuckDB type without its parameters.
type TypeID = mapping.Type

// The types that encoders tell apart.
const (
	Boolean     = mapping.TypeBoolean
	TinyInt     = mapping.TypeTinyInt
	SmallInt    = mapping.TypeSmallInt
	Integer     = mapping.TypeInteger
	BigInt      = mapping.TypeBigInt
	UTinyInt    = mapping.TypeUTinyInt
	USmallInt   = mapping.TypeUSmallInt
	UInteger    = mapping.TypeUInteger
	UBigInt     = mapping.TypeUBigInt
	Float       = mapping.TypeFloat
	Double      = mapping.TypeDouble
	Timestamp   = mapping.TypeTimestamp
	TimestampS  = mapping.TypeTimestampS
	TimestampMS = mapping.TypeTimestampMS
	TimestampNS = mapping.TypeTimestampNS
	TimestampTZ = mapping.TypeTimestampTZ
	Date        = mapping.TypeDate
	Time        = mapping.TypeTime
	TimeNS      = mapping.TypeTimeNS
	TimeTZ      = mapping.TypeTimeTZ
	Interval    = mapping.TypeInterval
	HugeInt     = mapping.TypeHugeInt
	UHugeInt    = mapping.TypeUHugeInt
	BigNum      = mapping.TypeBigNum
	Varchar     = mapping.TypeVarchar
	Blob        = mapping.TypeBlob
	Decimal     = mapping.TypeDecimal
	Enum        = mapping.TypeEnum
	List        = mapping.TypeList
	Struct      = mapping.TypeStruct
	Map         = mapping.TypeMap
	Array       = mapping.TypeArray
	UUID        = mapping.TypeUUID
	Union       = mapping.TypeUnion
	Bit         = mapping.TypeBit
	SQLNull     = mapping.TypeSQLNull
	Geometry    = mapping.TypeGeometry
	Variant     = mapping.TypeVariant
)

// Type is a DuckDB type with all its parameters.
type Type struct {
	ID TypeID
	// JSON is true for a VARCHAR that carries DuckDB's JSON alias.
	JSON bool
	// Width and Scale are a DECIMAL's; Width is also an ARRAY's length.
	Width, Scale int
	// Storage is the integer that holds a DECIMAL or an ENUM.
	Storage TypeID
	// Labels are an ENUM's.
	Labels []string
	// Fields are a STRUCT's members, a UNION's (without the tag), a MAP's key and value,
	// and the one element type of a LIST or ARRAY.
	Fields []Column
}

func newType(lt mapping.LogicalType) *Type {
	t := &Type{ID: mapping.GetTypeId(lt)}
	field := func(name string, child mapping.LogicalType) {
		t.Fields = append(t.Fields, Column{Name: name, Type: newType(child)})
		mapping.DestroyLogicalType(&child)
	}
	switch t.ID {
	case Varchar:
		t.JSON = mapping.LogicalTypeGetAlias(lt) == "JSON"
	case Decimal:
		t.Width, t.Scale = int(mapping.DecimalWidth(lt)), int(mapping.DecimalScale(lt))
		t.Storage = mapping.DecimalInternalType(lt)
	case Enum:
		t.Storage = mapping.EnumInternalType(lt)
		for i := range mapping.EnumDictionarySize(lt) {
			t.Labels = append(t.Labels, mapping.EnumDictionaryValue(lt, mapping.IdxT(i)))
		}
	case List:
		field("", mapping.ListTypeChildType(lt))
	case Array:
		t.Width = int(mapping.ArrayTypeArraySize(lt))
		field("", mapping.ArrayTypeChildType(lt))
	case Map:
		field("key", mapping.MapTypeKeyType(lt))
		field("value", mapping.MapTypeValueType(lt))
	case Struct:
		for i := range mapping.StructTypeChildCount(lt) {
			field(mapping.StructTypeChildName(lt, i), mapping.StructTypeChildType(lt, i))
		}
	case Union:
		for i := range mapping.UnionTypeMemberCount(lt) {
			field(mapping.UnionTypeMemberName(lt, i), mapping.UnionTypeMemberType(lt, i))
		}
	}
	return t
}

var typeNames = map[TypeID]string{
	Boolean: "BOOLEAN", TinyInt: "TINYINT", SmallInt: "SMALLINT", Integer: "INTEGER", BigInt: "BIGINT",
	UTinyInt: "UTINYINT", USmallInt: "USMALLINT", UInteger: "UINTEGER", UBigInt: "UBIGINT",
	Float: "FLOAT", Double: "DOUBLE", Timestamp: "TIMESTAMP", TimestampS: "TIMESTAMP_S", TimestampMS: "TIMESTAMP_MS",
	TimestampNS: "TIMESTAMP_NS", TimestampTZ: "TIMESTAMP WITH TIME ZONE", Date: "DATE", Time: "TIME", TimeNS: "TIME_NS",
	TimeTZ: "TIME WITH TIME ZONE", Interval: "INTERVAL", HugeInt: "HUGEINT", UHugeInt: "UHUGEINT", BigNum: "BIGNUM",
	Varchar: "VARCHAR", Blob: "BLOB", Enum: "ENUM", UUID: "UUID", Bit: "BIT", SQLNull: "NULL", Geometry: "GEOMETRY", Variant: "VARIANT",
}

// String is the type as SQL writes it; an ENUM is told without its labels.
func (t *Type) String() string {
	switch t.ID {
	case Decimal:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Width, t.Scale)
	case Varchar:
		if t.JSON {
			return "JSON"
		}
	case List:
		return t.Fields[0].Type.String() + "[]"
	case Array:
		return fmt.Sprintf("%s[%d]", t.Fields[0].Type, t.Width)
	case Map:
		return fmt.Sprintf("MAP(%s, %s)", t.Fields[0].Type, t.Fields[1].Type)
	case Struct:
		return "STRUCT(" + t.fieldList() + ")"
	case Union:
		return "UNION(" + t.fieldList() + ")"
	}
	if name, ok := typeNames[t.ID]; ok {
		return name
	}
	return fmt.Sprintf("TYPE_%d", t.ID)
}

func (t *Type) fieldList() string {
	parts := make([]string, len(t.Fields))
	for i, f := range t.Fields {
		parts[i] = Identifier(f.Name) + " " + f.Type.String()
	}
	return strings.Join(parts, ", ")
}
