package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every metric that docs/operations.md puts into an alert is one that a service defines: names are text in its source, with or without
// the service's prefix.
func TestAlertsNameMetricsThatExist(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".."):
			if path == "../.." {
				return nil
			}
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		source.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`duckling(_[a-z]+)(_[a-z_]+[a-z])`).FindAllStringSubmatch(string(page), -1)
	if len(names) < 15 {
		t.Fatalf("only %d metrics were found on the page", len(names))
	}
	for _, m := range names {
		short := strings.TrimSuffix(strings.TrimPrefix(m[2], "_"), "_bucket")
		found := false
		for _, name := range []string{short, m[1][1:] + "_" + short, "duckling" + m[1] + "_" + short} {
			found = found || strings.Contains(source.String(), `"`+name+`"`)
		}
		if !found {
			t.Errorf("no service defines %s", m[0])
		}
	}
}
