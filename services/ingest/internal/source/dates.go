package source

import (
	"context"
	"fmt"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/services/ingest/internal/catalog"
	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
)

// refusal says why a table with a date that no calendar has is set aside, and what brings it back.
func refusal(table, key, place string, date *mysqltype.RefusedError) string {
	row := "a row"
	if key != "" {
		row = "the row with key " + key
	}
	if place != "" {
		row += " (" + place + ")"
	}
	return fmt.Sprintf("table %s, column %s, %s: %v; mend it with: %s; the table is then copied by itself", table, date.Column, row, date, date.Mend(table))
}

// redate has tables copied anew whose rows were made by another rule for dates that no calendar has.
func (r *run) redate(ctx context.Context, schema map[string]*catalog.Table) error {
	was := r.dates
	r.dates = r.cfg.Dates
	if dateRule(was) == dateRule(r.dates) {
		return nil
	}
	for _, name := range r.tables.names() {
		if known := schema[name]; known == nil || !known.Dated() || !r.tables[name].followed() {
			continue
		}
		if err := r.quarantine(ctx, name, fmt.Sprintf("ZERO_DATES was %s and is %s", dateRule(was), dateRule(r.dates))); err != nil {
			return err
		}
	}
	// Not before: a run that is cut off here must find the old rule.
	return r.checkpoint(ctx, false)
}

// dateRule is the setting's word.
func dateRule(d cdcv1.ZeroDates) string {
	switch d {
	case cdcv1.ZeroDates_ZERO_DATES_TEXT:
		return "text"
	case cdcv1.ZeroDates_ZERO_DATES_REFUSE:
		return "refuse"
	default:
		return "null"
	}
}
