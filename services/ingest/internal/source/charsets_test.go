package source

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// Every character set that the server has is read: here those of one byte a character, each byte of them, and Unicode's; those of several bytes are
// among the types that go both ways.
func TestEveryCharacterSet(t *testing.T) {
	for flavor, types := range map[mysqltest.Flavor][]typeCase{mysqltest.MySQL: slices.Concat(commonTypes, mysqlTypes), mysqltest.MariaDB: slices.Concat(commonTypes, mariadbTypes)} {
		t.Run(string(flavor), func(t *testing.T) {
			r := newRig(t, flavor)
			var read, columns []string
			for _, set := range r.column("SELECT CONCAT(CHARACTER_SET_NAME, ' ', MAXLEN) FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME <> 'binary'") {
				set, width, _ := strings.Cut(set, " ")
				switch {
				case width == "1", strings.HasPrefix(set, "utf"), set == "ucs2":
					read, columns = append(read, set), append(columns, fmt.Sprintf("cs_%s VARCHAR(9) CHARACTER SET %s", set, set))
				case !slices.ContainsFunc(types, func(c typeCase) bool { return strings.Contains(c.column+" ", " CHARACTER SET "+set+" ") }):
					t.Errorf("%s has no test", set)
				}
			}
			insert := func(from int) string { // a byte that is no character is cut off, or null
				var rows []string
				for b := range 256 {
					row := fmt.Sprint("(", from+b)
					for _, set := range read {
						row += fmt.Sprintf(", CONVERT(UNHEX('%02X') USING %s)", b, set)
					}
					rows = append(rows, row+")")
				}
				return "INSERT IGNORE INTO every VALUES " + strings.Join(rows, ", ")
			}
			r.exec("CREATE TABLE every (id INT PRIMARY KEY, "+strings.Join(columns, ", ")+")", insert(0))
			r.start()
			r.converge()
			r.exec(insert(1000), "UPDATE every SET id = id + 2000 WHERE id BETWEEN 60 AND 70", "INSERT INTO every (id, cs_utf8mb4, cs_utf16, cs_ucs2, cs_utf32) VALUES (9000, '日本é', '日本🦆', '日本é', '🦆')")
			r.converge()
			if len(read) < 30 {
				t.Errorf("the server told only of %q", read)
			}
		})
	}
}
