package mysqltype

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
)

// MaskAction says what becomes of a column's values.
type MaskAction string

const (
	// MaskDrop leaves the column out of everything.
	MaskDrop MaskAction = "drop"
	// MaskHash carries HMAC-SHA256 of the value's text under the salt, as 64 hexadecimal digits; null stays null.
	// Text and binary values are hashed as they are, in UTF-8; whole numbers in decimal; dates and times as
	// 2006-01-02 and 2006-01-02 15:04:05.000000, and those that no calendar has are null unless they are refused. Other types
	// cannot be hashed.
	MaskHash MaskAction = "hash"
	// MaskRedact keeps the column and carries null for every value.
	MaskRedact MaskAction = "redact"
)

// Mask hides a column's values.
type Mask struct {
	Action MaskAction
	// Salt is the key of MaskHash.
	Salt string
}

// SetMask hides the column's values from here on; nil hides nothing. It returns an *UnsupportedError where the mask
// does not fit the type. The caller leaves out a column whose mask is MaskDrop.
func (c *Column) SetMask(m *Mask) error {
	c.mask = m
	if m == nil {
		return nil
	}
	if m.Action == MaskHash {
		switch c.frameType() {
		case cdcv1.Type_TYPE_FLOAT, cdcv1.Type_TYPE_DOUBLE, cdcv1.Type_TYPE_DECIMAL, cdcv1.Type_TYPE_TIME:
			return &UnsupportedError{c.Name, "a hash of " + c.SourceType + " is not supported; its mask must be drop or redact"}
		}
	}
	return nil
}

// Masked says that the column's values must not be shown.
func (c *Column) Masked() bool { return c.mask != nil }

// checkKey refuses a mask that would make rows one that are told apart by the column.
func (c *Column) checkKey() error {
	if c.mask != nil && c.mask.Action != MaskHash {
		return &UnsupportedError{c.Name, "it is part of the key, so its mask must be hash"}
	}
	return nil
}

// CheckKey refuses masks under which key columns would no longer tell rows apart. key names columns; one that is
// not among them was dropped by its mask.
func CheckKey(columns []Column, key []string) error {
	for _, name := range key {
		found := false
		for i := range columns {
			if columns[i].Name != name {
				continue
			}
			found = true
			if err := columns[i].checkKey(); err != nil {
				return err
			}
		}
		if !found {
			return &UnsupportedError{name, "it is part of the key, so its mask must be hash"}
		}
	}
	return nil
}

// hide makes a column's description that of the masked one.
func (m *Mask) hide(f *cdcv1.Column) {
	word, _, _ := strings.Cut(f.SourceType, "(")
	f.Initial, f.Default = nil, nil
	if m.Action == MaskHash {
		f.SourceType = word + ", hashed"
		f.Type, f.Precision, f.Scale = cdcv1.Type_TYPE_TEXT, 0, 0
		return
	}
	f.SourceType, f.Nullable = word+", redacted", true
}

var errMasked = errors.New("a masked value cannot be read")

// appendMasked appends what stands for the value that plain appends.
func (c *Column) appendMasked(b *frame.ColumnBuilder, plain func(*frame.ColumnBuilder) error) error {
	if c.mask.Action != MaskHash {
		b.Null()
		return nil
	}
	bare := Column{Name: c.Name, kind: c.kind, width: c.width}
	def := &cdcv1.TableDefinition{Columns: []*cdcv1.Column{bare.Frame()}}
	def.Fingerprint = frame.Fingerprint(def)
	rows := frame.NewRows(def)
	if err := plain(rows.Column(0)); err != nil {
		var refused *RefusedError
		if errors.As(err, &refused) {
			return refused
		}
		return errMasked // the error could quote the value
	}
	rows.EndRow(cdcv1.Operation_OPERATION_INSERT)
	view, err := frame.View(rows.Message(), def)
	if err != nil {
		return errMasked
	}
	column := &view.Columns[0]
	if column.Null(0) {
		b.Null()
		return nil
	}
	mac := hmac.New(sha256.New, []byte(c.mask.Salt))
	mac.Write(maskedText(column, def.GetColumns()[0].GetType()))
	b.String(hex.EncodeToString(mac.Sum(nil)))
	return nil
}

func maskedText(v *frame.ColumnView, typ cdcv1.Type) []byte {
	switch typ {
	case cdcv1.Type_TYPE_TEXT, cdcv1.Type_TYPE_BLOB, cdcv1.Type_TYPE_JSON:
		return v.Bytes(0)
	case cdcv1.Type_TYPE_UINT8, cdcv1.Type_TYPE_UINT16, cdcv1.Type_TYPE_UINT32, cdcv1.Type_TYPE_UINT64:
		return strconv.AppendUint(nil, v.Uint(0), 10)
	case cdcv1.Type_TYPE_DATE:
		return []byte(time.Unix(v.Int(0)*86400, 0).UTC().Format("2006-01-02"))
	case cdcv1.Type_TYPE_TIMESTAMP:
		return []byte(time.UnixMicro(v.Int(0)).UTC().Format("2006-01-02 15:04:05.000000"))
	default:
		return strconv.AppendInt(nil, v.Int(0), 10)
	}
}

// Masks finds the mask of a column; nil where it has none.
type Masks func(table, column string) *Mask

// Of is the mask of a column; a nil Masks has none.
func (m Masks) Of(table, column string) *Mask {
	if m == nil {
		return nil
	}
	return m(table, column)
}

// String keeps the salt out of logs.
func (m *Mask) String() string { return fmt.Sprintf("mask %s", m.Action) }
