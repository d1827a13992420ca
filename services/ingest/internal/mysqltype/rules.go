package mysqltype

import (
	"slices"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"
)

// Rules are what settings make of columns, in copy and stream alike.
type Rules struct {
	// Masks hide values; nil hides none.
	Masks Masks
	// Dates is for dates that no calendar has; unspecified means null.
	Dates cdcv1.ZeroDates
}

// apply makes the column of a table what the rules say. It returns false for a column that is to be left out, and an
// *UnsupportedError where a rule does not fit the type.
func (r Rules) apply(table string, c *Column) (keep bool, err error) {
	mask := r.Masks.Of(table, c.Name)
	if mask != nil && mask.Action == MaskDrop {
		return false, nil
	}
	c.dates = r.Dates
	return true, c.SetMask(mask)
}

// Apply returns the columns of a table as the rules show them. It returns an *UnsupportedError
// where that cannot be.
func (r Rules) Apply(table string, columns []Column, key []string) ([]Column, error) {
	kept := columns[:0]
	for _, c := range columns {
		keep, err := r.apply(table, &c)
		if err != nil {
			return nil, err
		}
		if keep {
			kept = append(kept, c)
		}
	}
	keepDates(kept, key)
	return kept, CheckKey(kept, key)
}

// keepDates refuses dates in a key that would become null, under which several rows would have one key.
func keepDates(columns []Column, key []string) {
	for i := range columns {
		if c := &columns[i]; c.dates != cdcv1.ZeroDates_ZERO_DATES_TEXT && slices.Contains(key, c.Name) {
			c.dates = cdcv1.ZeroDates_ZERO_DATES_REFUSE
		}
	}
}
