// Command publish measures what it costs to publish a generation after a 1000-row batch as the table grows from
// 1M to 50M rows: milliseconds and blocks, against a copy of the whole file. The benchmark itself is in the
// loader's tests, because only they may see inside; this runs it, keeps what it says and plots it.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/chittihq/duckling/bench/internal/plot"
	"github.com/chittihq/duckling/bench/internal/report"
)

// picture is where the curve goes.
const picture = "../docs/publish.svg"

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "publish:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	page := report.New("publish", "Loader: checkpoint and publication of a generation after a batch of 1000 mixed changes at random keys, "+
		"as the table grows, against a copy of the whole file. Means of 10. The curve is in [docs/publish.svg](../../docs/publish.svg).")
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "xxx", "-bench", "Publish|Clone", "-benchtime", "10x", "-timeout", "30m", "./internal/apply")
	cmd.Dir = "../services/loader"
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("running the loader's benchmarks: %w\n%s", err, out)
	}
	points, err := read(out, "BenchmarkPublish/")
	if err != nil {
		return err
	}
	if len(points) == 0 {
		return fmt.Errorf("the loader's benchmarks said nothing:\n%s", out)
	}
	var rows [][]string
	checkpoint, publish, full := plot.Line{Name: "checkpoint"}, plot.Line{Name: "publish"}, plot.Line{Name: "copy of the file"}
	for _, p := range points {
		ms := p.figures["ns/op"] / 1e6
		rows = append(rows, []string{
			fmt.Sprint(p.rows), fmt.Sprintf("%.0f", p.figures["blocks"]), fmt.Sprintf("%.1f", p.figures["blocks/op"]),
			fmt.Sprintf("%.1f", p.figures["checkpoint-ms"]), fmt.Sprintf("%.1f", ms), fmt.Sprintf("%.0f", p.figures["full-copy-ms"]),
			fmt.Sprintf("%.2f %%", 100*ms/p.figures["full-copy-ms"]),
		})
		for line, y := range map[*plot.Line]float64{&checkpoint: p.figures["checkpoint-ms"], &publish: ms, &full: p.figures["full-copy-ms"]} {
			line.X, line.Y = append(line.X, float64(p.rows)), append(line.Y, y)
		}
	}
	page.Table([]string{"rows", "blocks of 256 KiB", "copied", "checkpoint ms", "publish ms", "full copy ms", "of a full copy"}, rows...)
	clones, err := read(out, "BenchmarkClone/")
	if err != nil {
		return err
	}
	if len(clones) > 0 {
		page.Line("Where the file system shares blocks between files (FICLONE) nothing is copied. Both rows of a size are on an XFS in a file, one made with `reflink=1`, one without; " +
			"what sharing spares is the room and the first copy.")
		rows = nil
		for _, p := range clones {
			rows = append(rows, []string{
				fmt.Sprint(p.rows), p.variant, fmt.Sprintf("%.1f", p.figures["blocks/op"]), fmt.Sprintf("%.1f", p.figures["checkpoint-ms"]), fmt.Sprintf("%.1f", p.figures["ns/op"]/1e6),
				fmt.Sprintf("%.0f", p.figures["full-copy-ms"]),
			})
		}
		page.Table([]string{"rows", "blocks", "copied", "checkpoint ms", "publish ms", "first copy ms"}, rows...)
	}
	chart := plot.Chart{Title: "Publishing a batch of 1000 changes", X: "rows in the table", Y: "milliseconds", Lines: []plot.Line{full, checkpoint, publish}}
	return errors.Join(page.Save(), chart.Save(picture))
}

// point is what the benchmark says of one size.
type point struct {
	rows    int
	variant string
	figures map[string]float64
}

// read takes the lines of go test -bench that begin with a prefix: a name, the number of runs, and pairs of a figure and its unit.
func read(out []byte, prefix string) ([]point, error) {
	var points []point
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], prefix) {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(fields[0], prefix), "-")
		size, variant, _ := strings.Cut(name, "/")
		rows, err := strconv.Atoi(size)
		if err != nil {
			return nil, fmt.Errorf("reading %q: %w", lines.Text(), err)
		}
		p := point{rows: rows, variant: variant, figures: map[string]float64{}}
		for i := 2; i+1 < len(fields); i += 2 {
			if p.figures[fields[i+1]], err = strconv.ParseFloat(fields[i], 64); err != nil {
				return nil, fmt.Errorf("reading %q: %w", lines.Text(), err)
			}
		}
		points = append(points, p)
	}
	return points, nil
}
