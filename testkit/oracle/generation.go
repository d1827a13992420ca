package oracle

import (
	"context"
	"path/filepath"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
)

// Newest reads the newest generation in Dir, opened anew for each query as any other process would.
type Newest struct{ Dir string }

// Read implements Reader.
func (n Newest) Read(ctx context.Context, query string) ([][]*string, error) {
	m, err := generation.Read(n.Dir)
	if err != nil {
		return nil, err
	}
	db, err := duck.Open(filepath.Join(n.Dir, m.File), duck.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return ReadAll(ctx, conn, query)
}

// ReadAll runs a query whose columns are all VARCHAR.
func ReadAll(ctx context.Context, conn *duck.Conn, query string) ([][]*string, error) {
	res, err := conn.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer res.Close()
	var all [][]*string
	for {
		chunk, err := res.Next()
		if err != nil || chunk == nil {
			return all, err
		}
		for r := range chunk.Rows() {
			row := make([]*string, len(res.Columns()))
			for i := range row {
				if v := chunk.Column(i); !v.Null(r) {
					s := string(v.Bytes(r))
					row[i] = &s
				}
			}
			all = append(all, row)
		}
	}
}
