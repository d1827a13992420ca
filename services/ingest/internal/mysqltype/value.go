package mysqltype

import (
	"database/sql/driver"
	"fmt"
	"net/netip"

	"github.com/chittihq/duckling/pkg/frame"
)

// AppendValue appends what the SQL driver returned for SelectExpression, in the binary protocol and
// with parseTime off. dated is false when a date had to be carried as null.
func (c *Column) AppendValue(b *frame.ColumnBuilder, v driver.Value) (dated bool, err error) {
	if c.mask == nil {
		return c.appendPlain(b, v)
	}
	dated = true
	err = c.appendMasked(b, func(plain *frame.ColumnBuilder) (err error) {
		dated, err = c.appendPlain(plain, v)
		return err
	})
	return dated, err
}

func (c *Column) appendPlain(b *frame.ColumnBuilder, v driver.Value) (dated bool, err error) {
	fits := true
	switch v := v.(type) {
	case nil:
		b.Null()
	case int64:
		if fits = c.kind == kindInt || c.kind == kindUint || c.kind == kindYear; fits {
			b.Int(v)
		}
	case float32:
		if fits = c.kind == kindFloat; fits {
			b.Float32(v)
		}
	case float64:
		if fits = c.kind == kindDouble; fits {
			b.Float64(v)
		}
	case []byte:
		return c.appendBytes(b, v)
	case string: // unsigned numbers beyond int64
		return c.appendBytes(b, []byte(v))
	default:
		fits = false
	}
	if !fits { // the table was altered after its columns were read
		return true, fmt.Errorf("column %q: the source returned a %T for %s", c.Name, v, c.SourceType)
	}
	return true, nil
}

func (c *Column) appendBytes(b *frame.ColumnBuilder, v []byte) (dated bool, err error) {
	dated = true
	switch c.kind {
	case kindUint:
		var n uint64
		if n, err = parseUint(v); err == nil {
			b.Uint(n)
		}
	case kindBit:
		b.Uint(bigEndian(v))
	case kindDecimal:
		err = appendDecimalText(b, v, c.precision, c.scale)
	case kindDate, kindDatetime, kindTimestamp:
		dated, err = c.appendDate(b, v)
	case kindTime:
		var micros int64
		if micros, err = parseTime(v); err == nil {
			b.Int(micros)
		}
	case kindText, kindEnum, kindSet:
		appendUTF8(b, v)
	case kindJSON:
		b.Bytes(v)
	case kindWideDecimal:
		b.Bytes(unfilled(v))
	case kindUUID, kindInet4, kindInet6, kindBinary, kindBlob, kindVector:
		b.Bytes(v)
	case kindGeometry:
		err = appendGeometry(b, v)
	default:
		err = fmt.Errorf("the driver returned text for a column of kind %d", c.kind)
	}
	if err != nil {
		return true, fmt.Errorf("column %q: %w", c.Name, err)
	}
	return dated, nil
}

// unfilled leaves out the zeros of ZEROFILL.
func unfilled(decimal []byte) []byte {
	for len(decimal) > 1 && decimal[0] == '0' && decimal[1] != '.' {
		decimal = decimal[1:]
	}
	return decimal
}

// storedUUID writes MariaDB's UUID. Those with a version up to 5 are stored with their five groups in reverse order, so that
// version 1 sorts by time: the variant's first bit, which is set, then stands where others have their version, and their version
// where others have their variant. The server goes by bytes 6 and 8 of what it stored, also where that is another value than was written.
// Source: sql_type_uuid.h of MariaDB 10.11, rec_need_swap.
func storedUUID(v []byte) string {
	var u [16]byte
	copy(u[:], v)
	if s := u; s[6]&0x80 != 0 && s[8] != 0 && s[8] <= 0x80 {
		copy(u[0:4], s[12:16])
		copy(u[4:6], s[10:12])
		copy(u[6:8], s[8:10])
		copy(u[8:10], s[6:8])
		copy(u[10:16], s[0:6])
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

// appendAddress appends MariaDB's INET4 and INET6, whose trailing zero bytes the binlog leaves out.
func appendAddress(b *frame.ColumnBuilder, v []byte, width int) error {
	full := make([]byte, width)
	copy(full, v)
	addr, ok := netip.AddrFromSlice(full)
	if !ok {
		return fmt.Errorf("address of %d bytes", len(v))
	}
	b.String(addr.String())
	return nil
}
