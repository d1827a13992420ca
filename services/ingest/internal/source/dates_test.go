package source

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// anyDates is a session that writes dates which no calendar has, away from UTC.
const anyDates = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+05:00'"

// dateTypes have every date that MySQL holds and a calendar does not, and the borders of those that it does.
var dateTypes = []typeCase{
	{"DATE", []string{"'0000-00-00'", "'2024-02-29'", "'2024-00-10'", "'2024-05-00'", "'0000-02-00'", "'2023-02-31'", "'1000-01-01'", "'9999-12-31'"}},
	{"DATETIME", []string{"'2024-00-10 11:12:13'", "'0000-00-00 00:00:00'", "'2024-02-29 01:02:03'", "'2023-02-31 23:59:59'", "'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'"}},
	{"DATETIME(1)", []string{"'2024-01-02 03:04:05.6'", "'0000-00-00 00:00:00'", "'2024-00-10 03:04:05.6'"}},
	{"DATETIME(2)", []string{"'1969-12-31 23:59:59.99'", "'2024-05-00 03:04:05.06'"}},
	{"DATETIME(3)", []string{"'1969-12-31 23:59:59.999'", "'0000-00-00 00:00:00'"}},
	{"DATETIME(4)", []string{"'2024-01-02 03:04:05.0006'"}},
	{"DATETIME(5)", []string{"'2024-01-02 03:04:05.00006'"}},
	{"DATETIME(6)", []string{"'1000-01-01 00:00:00.000001'", "'9999-12-31 23:59:59.999999'", "'2024-00-00 00:00:00.000001'", "'0000-00-00 00:00:00'"}},
	{"TIMESTAMP NULL", []string{"'2024-07-01 12:00:00'", "'1970-01-01 05:00:01'", "'2038-01-19 08:14:07'", "'0000-00-00 00:00:00'"}},
	{"TIMESTAMP(3) NULL", []string{"'2024-07-01 12:00:00.123'", "'0000-00-00 00:00:00'"}},
	{"TIMESTAMP(6) NULL", []string{"'2024-07-01 12:00:00.123456'", "'1970-01-01 05:00:01.000001'"}},
}

// statementIn is the statement that a reason says mends the table.
func statementIn(t *testing.T, reason string) string {
	t.Helper()
	_, rest, found := strings.Cut(reason, "mend it with: ")
	statement, _, found2 := strings.Cut(rest, "; the table")
	if !found || !found2 {
		t.Fatalf("no statement in %q", reason)
	}
	return statement
}

// refusedFor waits until a table is set aside for a date, and returns why.
func (r *rig) refusedFor(table string, parts ...string) (reason string) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("%s is refused for %q", table, parts), func(m *model) bool {
		reason = m.quarantined[table]
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(reason, part) })
	})
	return reason
}

// A date that is refused sets its own table aside, with what mends it, and the table comes back once that is done.
func TestRefusedDates(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.config.Dates = cdcv1.ZeroDates_ZERO_DATES_REFUSE
		r.exec(anyDates, "CREATE TABLE fine (id INT PRIMARY KEY, d DATE)", "INSERT INTO fine VALUES (1, '2024-02-29'), (2, NULL)",
			"CREATE TABLE keyed (a INT, b VARCHAR(9), d DATETIME(3), PRIMARY KEY (a, b))",
			"INSERT INTO keyed VALUES (1, 'x', '2024-01-01'), (2, 'y', '2024-00-10'), (3, 'z', '0000-00-00')",
			"CREATE TABLE keyless (n INT, d TIMESTAMP NULL)", "INSERT INTO keyless VALUES (7, '0000-00-00 00:00:00')",
			"CREATE TABLE strict (id INT PRIMARY KEY, d DATE NOT NULL)", "INSERT INTO strict VALUES (5, '2023-02-31')")
		r.start()
		keyed := r.refusedFor("keyed", "table keyed, column d, the row with key 2, \"y\": 2024-00-10 00:00:00.000 ")
		keyless := r.refusedFor("keyless", "table keyless, column d, a row: 0000-00-00 00:00:00 ")
		strict := r.refusedFor("strict", "the row with key 5: 2023-02-31 ")
		r.eventually("the others are copied", func(m *model) bool { return len(m.content("fine")) == 2 })
		r.exec("INSERT INTO fine VALUES (3, '2024-01-01')", "INSERT INTO keyed VALUES (4, 'late', NULL)")
		r.exec(statementIn(t, keyed), statementIn(t, keyless), statementIn(t, strict))
		r.converge()

		r.exec(anyDates, "INSERT INTO keyed VALUES (8, 'q', '0000-00-00')", "UPDATE fine SET d = '2024-05-00' WHERE id = 2", "INSERT INTO keyless VALUES (1, '2024-01-01')")
		fine := r.refusedFor("fine", "the row with key 2")
		keyed = r.refusedFor("keyed", "the row with key 8, \"q\"")
		r.eventually("the others go on", func(m *model) bool { return len(m.content("keyless")) == 2 })
		r.exec(statementIn(t, fine), statementIn(t, keyed))
		r.converge()
		r.mu.Lock()
		defer r.mu.Unlock()
		if !slices.ContainsFunc(r.model.reasons, regexp.MustCompile(`^keyed: table keyed, column d, the row with key 8, "q" \(\S+\.\d+:\d+\): 0000-00-00 `).MatchString) {
			t.Errorf("the stream's refusal does not name the place in the binlog: %q", r.model.reasons)
		}
	})
}

// Rows that were made by one rule never stand beside rows made by another, however often ingest is stopped meanwhile.
func TestZeroDatesSettingChanges(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			r := newRig(t, flavor)
			n := 0
			write := func() {
				n++
				r.exec(anyDates, fmt.Sprintf("INSERT INTO dated VALUES (%d, '0000-00-00', '2024-00-10 01:02:03'), (%d, '2024-01-02', '2024-01-02 03:04:05')", n, 1000+n),
					fmt.Sprintf("INSERT INTO plain VALUES (%d)", n))
			}
			r.exec("CREATE TABLE dated (id INT PRIMARY KEY, d DATE, dt DATETIME)", "CREATE TABLE plain (id INT PRIMARY KEY)")
			write()
			stop := r.start()
			r.converge()
			stop()
			was := "null"
			for _, rule := range []cdcv1.ZeroDates{cdcv1.ZeroDates_ZERO_DATES_TEXT, cdcv1.ZeroDates_ZERO_DATES_NULL, cdcv1.ZeroDates_ZERO_DATES_TEXT} {
				write()
				r.config.Dates = rule
				for range 3 { // cut off wherever it is
					frames := r.frames()
					stop = r.start()
					r.eventually("it has begun", func(m *model) bool { return m.frames > frames })
					stop()
				}
				stop = r.start()
				write()
				r.converge()
				r.saw("dated: ZERO_DATES was " + was + " and is " + dateRule(rule))
				was = dateRule(rule)
				stop()
				copied := r.copiesOf("dated")
				stop = r.start()
				write()
				r.converge()
				stop()
				if now := r.copiesOf("dated"); now != copied {
					t.Errorf("dated was copied again with the same rule")
				}
			}
			if copied := r.copiesOf("plain"); copied != 1 {
				t.Errorf("plain, which has no dates, was copied %d times", copied)
			}
			// Nulls that stand for zero dates do not stay under a rule that takes none, though nothing else tells the two apart.
			r.config.Dates = cdcv1.ZeroDates_ZERO_DATES_NULL
			stop = r.start()
			r.converge()
			stop()
			r.config.Dates = cdcv1.ZeroDates_ZERO_DATES_REFUSE
			r.start()
			d := r.refusedFor("dated", "column d,")
			r.exec(statementIn(t, d))
			dt := r.refusedFor("dated", "column dt,")
			r.exec(statementIn(t, dt))
			r.converge()
		})
	}
}

// frames counts what the model has seen.
func (r *rig) frames() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.model.frames
}

func (r *rig) copiesOf(table string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.model.begun[table]
}

func (r *rig) saw(reason string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.model.reasons, reason) {
		r.t.Errorf("%q is not among the reasons for copies: %q", reason, r.model.reasons)
	}
}
