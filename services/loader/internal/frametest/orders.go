package frametest

import (
	"fmt"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
)

// Orders is a table of six columns for benchmarks.
func Orders() *cdcv1.TableDefinition {
	def := &cdcv1.TableDefinition{Table: "Order", Key: []uint32{0}, Columns: []*cdcv1.Column{
		{Name: "id", Type: cdcv1.Type_TYPE_INT64}, {Name: "userId", Type: cdcv1.Type_TYPE_INT32},
		{Name: "status", Type: cdcv1.Type_TYPE_TEXT}, {Name: "total", Type: cdcv1.Type_TYPE_DECIMAL, Precision: 10, Scale: 2},
		{Name: "createdAt", Type: cdcv1.Type_TYPE_TIMESTAMP}, {Name: "note", Type: cdcv1.Type_TYPE_TEXT, Nullable: true},
	}}
	def.Fingerprint = frame.Fingerprint(def)
	return def
}

// FillOrders is the SQL that gives an empty table of Orders the rows with ids from 0 on.
func FillOrders(schema string, rows int) string {
	return fmt.Sprintf(`INSERT INTO %s."Order" SELECT i, hash(i) %% 100000, ['pending', 'paid', 'shipped', 'delivered'][1 + i %% 4],
		(hash(i + 7) %% 1000000) / 100, TIMESTAMP '2025-01-01' + INTERVAL (i) SECOND, 'note ' || hash(i) FROM range(%d) t(i)`, schema, rows)
}

var statuses = []string{"pending", "paid", "shipped", "delivered"}

// AppendOrder adds a row of Orders whose other values follow from its id.
func AppendOrder(rows *frame.Rows, op cdcv1.Operation, id int64) {
	rows.Column(0).Int(id)
	if op != cdcv1.Operation_OPERATION_DELETE {
		h := uint64(id+1) * 0x9e3779b97f4a7c15
		rows.Column(1).Int(int64(h % 100_000))
		rows.Column(2).String(statuses[h>>60&3])
		rows.Column(3).Int(int64(h >> 30 % 100_000_000))
		rows.Column(4).Int(1_735_689_600_000_000 + id*1_000_000)
		rows.Column(5).String(fmt.Sprintf("note %d", h))
	}
	rows.EndRow(op)
}
