package duckling

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// plan is where each column of a shape goes in a struct, or why it cannot go there.
type plan struct {
	paths [][]int
	err   error
}

func newPlan(t reflect.Type, columns []Column) *plan {
	fields := fieldsOf(t)
	p := &plan{paths: make([][]int, len(columns))}
	for i, column := range columns {
		path, ok := fields[column.Name]
		if !ok {
			path, ok = fields[folded(column.Name)]
		}
		if !ok {
			p.err = fmt.Errorf("column %q has no field in %s; add one (a tag `duckling:%q` names it) or select fewer columns", column.Name, t, column.Name)
			return p
		}
		p.paths[i] = path
	}
	return p
}

// folded is the form under which names match that differ in case and underscores only.
// The leading zero byte keeps it apart from exact names.
func folded(name string) string {
	return "\x00" + strings.ToLower(strings.ReplaceAll(name, "_", ""))
}

var knownFields sync.Map // reflect.Type -> map[string][]int

// fieldsOf maps column names to the paths of a struct's fields. A field is found by its
// `duckling` tag, else its `json` tag, else its name, the latter two also without regard to
// case and underscores. Fields of embedded structs count as the struct's own.
func fieldsOf(t reflect.Type) map[string][]int {
	if known, ok := knownFields.Load(t); ok {
		return known.(map[string][]int)
	}
	fields := make(map[string][]int)
	for _, f := range reflect.VisibleFields(t) {
		if !f.IsExported() || promoted(f) || throughPointer(t, f.Index) {
			continue
		}
		name, exact := columnName(f)
		if name == "-" {
			continue
		}
		claim(fields, name, f.Index)
		if !exact {
			claim(fields, folded(name), f.Index)
		}
	}
	knownFields.Store(t, fields)
	return fields
}

// claim gives a name to the field nearest to the top, as Go's own rules do.
func claim(fields map[string][]int, name string, path []int) {
	if holder, taken := fields[name]; !taken || len(path) < len(holder) {
		fields[name] = path
	}
}

func columnName(f reflect.StructField) (name string, exact bool) {
	if tag, ok := f.Tag.Lookup("duckling"); ok && tag != "" {
		return tag, true
	}
	if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
		return name, false
	}
	return f.Name, false
}

// promoted reports whether f stands for the fields inside it and is no column itself.
func promoted(f reflect.StructField) bool {
	return f.Anonymous && f.Type.Kind() == reflect.Struct && !isValue(f.Type)
}

// throughPointer reports whether reaching a field would need an embedded pointer to be set.
func throughPointer(t reflect.Type, path []int) bool {
	for _, i := range path[:len(path)-1] {
		f := t.Field(i)
		if t = f.Type; t.Kind() == reflect.Pointer {
			return true
		}
	}
	return false
}
