// Command publish measures the publication of a generation after a 1000-row batch on a
// table of 10M rows: blocks copied and milliseconds, against a full copy of the file. The benchmark itself is in the
// loader's tests, because only they may see inside; this runs it and keeps what it says.
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/chittihq/duckling/bench/internal/report"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "publish:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	page := report.New("publish", "Loader: the publication of a generation after a batch of 1000 rows on a table of 10M rows, against a full copy of the file..")
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "xxx", "-bench", "Publish", "-benchtime", "10x", "-timeout", "30m", "./internal/apply")
	cmd.Dir = "../services/loader"
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("running the loader's benchmarks: %w\n%s", err, out)
	}
	var rows [][]string
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		var values []string
		for i := 2; i+1 < len(fields); i += 2 {
			values = append(values, fields[i]+" "+fields[i+1])
		}
		rows = append(rows, []string{strings.TrimPrefix(fields[0], "Benchmark"), fields[1], strings.Join(values, ", ")})
	}
	page.Table([]string{"what", "runs", "figures"}, rows...)
	return page.Save()
}
