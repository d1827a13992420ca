// Package report writes what a benchmark measured, with the machine, the versions and the
// command, to bench/results/<name>.md.
package report

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
)

// Report is one benchmark's page.
type Report struct {
	name  string
	lines []string
}

// New begins a page; what says what is measured and against what.
func New(name, what string) *Report {
	r := &Report{name: name}
	r.add("# " + name + "\n")
	r.add(what + "\n")
	r.add(fmt.Sprintf("- Command: `cd bench && %s`", strings.Join(append([]string{"go run ./" + name}, os.Args[1:]...), " ")))
	r.add(fmt.Sprintf("- Machine: %s, %d cores, load %s at the start", cpu(), runtime.NumCPU(), load()))
	r.add(fmt.Sprintf("- Versions: %s, DuckDB %s, commit %s", runtime.Version(), duck.Version(), commit()))
	r.add(fmt.Sprintf("- Date: %s\n", time.Now().UTC().Format("2006-01-02")))
	return r
}

func (r *Report) add(line string) {
	r.lines = append(r.lines, line)
	fmt.Println(line)
}

// Line adds a line of text.
func (r *Report) Line(format string, args ...any) { r.add(fmt.Sprintf(format, args...)) }

// Table adds a table; rows are cells as text.
func (r *Report) Table(header []string, rows ...[]string) {
	r.add("\n| " + strings.Join(header, " | ") + " |")
	r.add("|" + strings.Repeat("---|", len(header)))
	for _, row := range rows {
		r.add("| " + strings.Join(row, " | ") + " |")
	}
	r.add("")
}

// Save writes the page.
func (r *Report) Save() error { return r.SaveAs(r.name) }

// SaveAs writes the page under another name, for a command that writes several.
func (r *Report) SaveAs(name string) error {
	if err := os.MkdirAll("results", 0o755); err != nil {
		return fmt.Errorf("saving results: %w", err)
	}
	path := filepath.Join("results", name+".md")
	if err := os.WriteFile(path, []byte(strings.Join(r.lines, "\n")+"\n"), 0o644); err != nil {
		return fmt.Errorf("saving results: %w", err)
	}
	return nil
}

// Quantile of durations, q between 0 and 1; zero of none.
func Quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// Milliseconds writes a duration.
func Milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond))
}

func cpu() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimLeft(name, "\t :")
		}
	}
	return "unknown"
}

func load() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(data), " ")
	return first
}

func commit() string {
	out, err := exec.CommandContext(context.Background(), "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
