package source

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
)

const maskedPeople = `CREATE TABLE people (id VARCHAR(40) PRIMARY KEY, mail VARCHAR(60), card BIGINT, born DATE, pin ENUM('SECRET-a','SECRET-b'), note TEXT, open VARCHAR(20))`

func masksOfPeople(table, column string) *mysqltype.Mask {
	if table != "people" {
		return nil
	}
	return map[string]*mysqltype.Mask{
		"id": {Action: mysqltype.MaskHash, Salt: "pepper"}, "mail": {Action: mysqltype.MaskHash, Salt: "pepper"},
		"card": {Action: mysqltype.MaskHash, Salt: "pepper"}, "born": {Action: mysqltype.MaskRedact},
		"pin": {Action: mysqltype.MaskRedact}, "note": {Action: mysqltype.MaskDrop}, "later": {Action: mysqltype.MaskHash, Salt: "pepper"},
	}[column]
}

func peppered(text string) string {
	mac := hmac.New(sha256.New, []byte("pepper"))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// What a mask hides is in no frame: not in rows, marks, definitions, or statements.
func TestMasksHideEverywhere(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.config.Masks = masksOfPeople
		person := func(n int) string {
			return fmt.Sprintf("INSERT INTO people (id, mail, card, born, pin, note, open) VALUES ('SECRET-%d', 'SECRET@x', 777123456789, '1987-06-05', 'SECRET-b', 'SECRET', 'open')", n)
		}
		r.exec(maskedPeople, person(1), "INSERT INTO people (id) VALUES ('SECRET-none')")
		r.start()
		r.eventually("the table is copied", func(m *model) bool { return m.tables["people"] != nil && len(m.copies) == 0 })
		r.exec(person(2), "UPDATE people SET note = 'SECRET2', open = 'SECRET-shut' WHERE id = 'SECRET-1'", "DELETE FROM people WHERE id = 'SECRET-none'",
			"UPDATE people SET open = 'shut'", "ALTER TABLE people ADD later VARCHAR(20) DEFAULT 'SECRET-later'", person(3))
		r.eventually("all rows are there", func(m *model) bool {
			t := m.tables["people"]
			return len(t.rows) == 3 && len(m.copies) == 0 && t.rows[peppered("SECRET-1")] != nil && t.rows[peppered("SECRET-1")][0]["later"] != ""
		})
		r.mu.Lock()
		want := map[string]string{"mail": peppered("SECRET@x"), "card": peppered("777123456789"), "born": null, "pin": null, "later": peppered("SECRET-later")}
		for n := 1; n <= 3; n++ {
			row := r.model.tables["people"].rows[peppered(fmt.Sprintf("SECRET-%d", n))][0]
			for column, value := range want {
				if row[column] != value {
					t.Errorf("row %d has %s %q, want %q", n, column, row[column], value)
				}
			}
			if _, ok := row["note"]; ok {
				t.Errorf("row %d has the dropped column", n)
			}
		}
		r.mu.Unlock()
		r.searchStream()
	})
}

// searchStream looks for SECRET, which "open" holds by way of the test once, in all that was published.
func (r *rig) searchStream() {
	r.t.Helper()
	tail, err := r.bus.Tail(r.t.Context(), r.config.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	shown := 0
	err = r.bus.Consume(ctx, r.config.ID, 1, bus.ConsumerOptions{}, func(m *bus.Message) error {
		f, err := frame.Unmarshal(m.Payload)
		if err != nil {
			return err
		}
		for _, rows := range f.GetChanges().GetTables() {
			shown += search(rows.GetColumns())
		}
		// Bytes are base64 here, text is not; the marks of copies are SQL with the key in hexadecimal digits.
		text := protojson.Format(f) + string(f.GetCopyRows().GetResume())
		if search(f.GetCopyRows().GetRows().GetColumns()) > 0 || strings.Contains(text, "SECRET") || strings.Contains(text, "534543524554") {
			r.t.Errorf("message %d shows what is masked: %.500s", m.Seq, text)
		}
		if m.Seq == tail.Last.Seq {
			cancel()
		}
		return nil
	})
	if ctx.Err() == nil {
		r.t.Fatal(err)
	}
	// The one that is not masked proves that the search finds what there is.
	if shown != 1 {
		r.t.Errorf("%d columns of changes show SECRET, want the one that is not masked", shown)
	}
}

func search(columns []*cdcv1.ColumnValues) (found int) {
	for _, c := range columns {
		if bytes.Contains(c.GetValues(), []byte("SECRET")) {
			found++
		}
	}
	return found
}
