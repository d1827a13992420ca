package source

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/ingest/internal/catalog"
	"github.com/chittihq/duckling/services/ingest/internal/ddl"
	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
)

// addInitials checks that known is before with the added columns and without the dropped ones, and notes
// what existing rows hold in those added. It returns why that cannot be told, empty when it can.
func addInitials(known *catalog.Table, before *cdcv1.TableDefinition, added []ddl.Column, dropped []string) string {
	old := map[string]*cdcv1.Column{}
	for _, c := range before.GetColumns() {
		old[c.GetName()] = c
	}
	for _, name := range dropped {
		again := func(c mysqltype.Column) bool { return strings.EqualFold(c.Name, name) }
		if slices.ContainsFunc(known.Columns, again) {
			return "a column was dropped and added again"
		}
		for have := range old {
			if strings.EqualFold(have, name) {
				delete(old, have)
			}
		}
	}
	for i := range known.Columns {
		column := &known.Columns[i]
		if was, ok := old[column.Name]; ok {
			now := column.Frame()
			if was.GetType() != now.GetType() || was.GetPrecision() != now.GetPrecision() || was.GetScale() != now.GetScale() {
				return "the type of a column changed"
			}
			column.Initial = was.Initial
			delete(old, column.Name)
			continue
		}
		at := slices.IndexFunc(added, func(a ddl.Column) bool { return a.Name == column.Name })
		if at < 0 {
			return "more than this statement changed it"
		}
		ok := true
		switch a := added[at]; {
		case column.Masked():
			ok = false
		case a.Computed:
			ok = false
		case a.Default != nil && a.Default.Null, a.Default == nil && !a.NotNull && column.Nullable:
		case a.Default != nil:
			ok = column.SetInitial(a.Default.Text, a.Default.Quoted)
		default:
			ok = column.SetImplicitInitial()
		}
		if !ok {
			return "the values of the added column " + column.Name + " must be read"
		}
	}
	if len(old) > 0 {
		return "a column is gone"
	}
	if !slices.Equal(keyNames(before), known.Key) {
		return "the key changed"
	}
	return ""
}

func keyNames(def *cdcv1.TableDefinition) []string {
	var names []string
	for _, k := range def.GetKey() {
		names = append(names, def.GetColumns()[k].GetName())
	}
	return names
}

// renamed is def for the same table under another name.
func renamed(def *cdcv1.TableDefinition, name string) *cdcv1.TableDefinition {
	def = proto.CloneOf(def)
	def.Table = name
	def.Fingerprint = frame.Fingerprint(def)
	return def
}
