package e2e

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chittihq/duckling/testkit/stack"
)

// The samples of docs/rest.md run as they stand there. That for pandas is only compiled, since pyarrow cannot be had from Debian.
func testRestSamples(ctx context.Context, t *testing.T, s *stack.Stack, source *guideSource) {
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "DUCKLING_URL=http://"+s.Addr, "DUCKLING_API_KEY="+stack.Key)
		var problems bytes.Buffer
		cmd.Stderr = &problems
		output, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, output, problems.String())
		}
		return string(output)
	}
	shell, python := samples(t, "../../docs/rest.md", "sh"), samples(t, "../../docs/rest.md", "python")
	mustHave(t, len(shell), 3) // the settings, a query, a file for Excel
	mustHave(t, len(python), 3)
	byStatus := map[string]string{}
	for _, row := range source.rows(ctx, t, "SELECT status, COUNT(*) FROM `Order` WHERE total > 100 GROUP BY status") {
		byStatus[row[0]] = row[1]
	}
	if len(byStatus) == 0 {
		t.Fatal("no order is over 100")
	}

	t.Run("curl", func(t *testing.T) {
		var answer struct{ Result []map[string]any }
		d := json.NewDecoder(strings.NewReader(run("bash", "-c", shell[1])))
		d.UseNumber()
		if err := d.Decode(&answer); err != nil {
			t.Fatal(err)
		}
		mustHave(t, len(answer.Result), len(byStatus))
		for _, row := range answer.Result {
			mustMatch(t, row, map[string]string{"n": byStatus[row["status"].(string)]})
		}
	})
	t.Run("Excel", func(t *testing.T) {
		run("bash", "-c", shell[2])
		text, err := os.ReadFile(filepath.Join(dir, "customers.csv"))
		if err != nil {
			t.Fatal(err)
		}
		text, marked := bytes.CutPrefix(text, []byte("\ufeff"))
		rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		if err != nil || !marked || strings.Join(rows[0], " ") != "id name revenue" {
			t.Fatalf("marked: %v, header %v (%v)", marked, rows[0], err)
		}
		want := source.rows(ctx, t, "SELECT id, name, revenue FROM User ORDER BY revenue DESC LIMIT 1000")
		mustHave(t, len(rows)-1, len(want))
		for i, row := range rows[1:] { // customers of the same revenue may come in any order
			if decimal(t, row[2]) != decimal(t, want[i][2]) {
				t.Fatalf("row %d is %v, MySQL says %v", i, row, want[i])
			}
		}
	})
	t.Run("Python", func(t *testing.T) {
		printed := run(installed(t, "python"), "-c", python[0])
		lines := strings.Split(strings.TrimSpace(printed), "\n")
		mustHave(t, len(lines), len(byStatus))
		for _, line := range lines {
			if status, n, _ := strings.Cut(line, " "); byStatus[status] != n {
				t.Errorf("Python prints %q, MySQL says %s", line, byStatus[status])
			}
		}
	})
	t.Run("job", func(t *testing.T) {
		before, _, _ := strings.Cut(python[0], "\nfor row in")
		rows := run(installed(t, "python"), "-c", before+"\n"+python[2]+"\nprint(job['rows'])")
		if want := source.rows(ctx, t, "SELECT COUNT(*) FROM `Order`")[0][0]; strings.TrimSpace(rows) != want {
			t.Errorf("the job has %s rows, not %s", rows, want)
		}
		file, err := os.ReadFile(filepath.Join(dir, "orders.parquet"))
		if err != nil || !bytes.HasPrefix(file, []byte("PAR1")) || !bytes.HasSuffix(file, []byte("PAR1")) {
			t.Errorf("orders.parquet has %d bytes and is not whole (%v)", len(file), err)
		}
	})
	t.Run("pandas compiles", func(t *testing.T) {
		run(installed(t, "python"), "-c", "import sys; compile(sys.argv[1], 'pandas', 'exec')", python[1])
	})
}

// samples are the code blocks of a page in one language.
func samples(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		all = append(all, m[1])
	}
	return all
}
