package source

import (
	"fmt"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"
)

func (m *model) copyRows(c *cdcv1.CopyRows) error {
	copying := m.copies[c.GetRows().GetTable()]
	if copying == nil || copying.id != c.GetCopyId() {
		return fmt.Errorf("rows of copy %d of %q, which is not under way", c.GetCopyId(), c.GetRows().GetTable())
	}
	changes, err := m.decode(c.GetRows())
	if err != nil {
		return err
	}
	for _, change := range changes {
		if err := copying.table.apply(change); err != nil {
			return fmt.Errorf("copy of %q: %w", c.GetRows().GetTable(), err)
		}
	}
	return nil
}

func (m *model) copyEnd(e *cdcv1.CopyEnd) error {
	c := m.copies[e.GetTable()]
	if c == nil || c.id != e.GetCopyId() {
		return fmt.Errorf("end of copy %d of %q, which is not under way", e.GetCopyId(), e.GetTable())
	}
	if e.GetVoid() != "" {
		if m.tables[e.GetTable()] == nil || c.freeze {
			return fmt.Errorf("copy %d of %q ends as void, and readers have no other rows", e.GetCopyId(), e.GetTable())
		}
		m.voided[e.GetTable()]++
		delete(m.copies, e.GetTable())
		return nil
	}
	if len(c.table.definition.GetKey()) == 0 {
		for _, change := range c.delta {
			if err := c.table.apply(change); err != nil {
				return fmt.Errorf("copy of %q: %w", e.GetTable(), err)
			}
		}
	} else {
		for _, change := range c.delta {
			delete(c.table.rows, change.key)
			if change.op != cdcv1.Operation_OPERATION_DELETE {
				c.table.rows[change.key] = []row{change.row}
			}
		}
	}
	m.tables[e.GetTable()] = c.table
	delete(m.copies, e.GetTable())
	delete(m.quarantined, e.GetTable())
	return nil
}
