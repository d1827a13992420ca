// Package usage reads what a process has used, from proc(5).
package usage

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Peak is the most memory that the process has had resident, in MB.
func Peak(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the peak of memory: %w", err)
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				return 0, fmt.Errorf("reading the peak of memory: %w", err)
			}
			return kb / 1024, nil
		}
	}
	return 0, fmt.Errorf("process %d tells no peak of memory", pid)
}

// ForgetPeak has Peak begin anew at what is resident now.
func ForgetPeak(pid int) error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		return fmt.Errorf("forgetting the peak of memory: %w", err)
	}
	return nil
}

// tick is the unit of proc's times.
const tick = 10 * time.Millisecond

// CPU is the processor time that the process has used.
func CPU(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the processor's time: %w", err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	var used time.Duration
	for _, field := range strings.Fields(rest)[11:13] {
		ticks, err := strconv.Atoi(field)
		if err != nil {
			return 0, fmt.Errorf("reading the processor's time: %w", err)
		}
		used += time.Duration(ticks) * tick
	}
	return used, nil
}
