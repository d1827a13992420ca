package source

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var shownBy = regexp.MustCompile("`([\\w/]+_test\\.go) (Test\\w+)`")

// Each trap on the page has a test that exists, or says that it is refused or not done.
func TestFieldNotesAreShown(t *testing.T) {
	const root = "../../../.."
	page, err := os.ReadFile(filepath.Join(root, "docs/cdc.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.SplitSeq(string(page), "\n") {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| trap |") {
			continue
		}
		rows++
		cells := strings.Split(line, " | ")
		shown := cells[len(cells)-1]
		tests := shownBy.FindAllStringSubmatch(shown, -1)
		if len(cells) != 3 || len(tests) == 0 && shown != "Refused |" && shown != "Not done |" {
			t.Errorf("nothing shows this: %s", line)
		}
		for _, test := range tests {
			file := filepath.Join(root, test[1])
			if !strings.HasPrefix(test[1], "services/") && !strings.HasPrefix(test[1], "pkg/") {
				file = filepath.Join(root, "services/ingest/internal", test[1])
			}
			code, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(code), "func "+test[2]+"(") {
				t.Errorf("%s has no %s (%v), of which the page says: %s", test[1], test[2], err, cells[0])
			}
		}
	}
	if rows < 50 {
		t.Errorf("the page has %d rows", rows)
	}
}
