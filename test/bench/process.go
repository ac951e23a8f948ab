package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is the operator's resource usage for a piece of work. The operating
// system measures it, except for the writes, which the operator counts. (A test
// in test/integration proves at the API server that nothing is written without a
// change.)
type usage struct {
	// Writes is the number of write requests for targets.
	Writes float64
	// Bytes is the number of bytes written to connections and the log.
	Bytes float64
	// CPU is the CPU time in seconds.
	CPU float64
	// Peak is the maximum resident memory in bytes.
	Peak float64
}

func (u usage) plus(v usage) usage {
	return usage{u.Writes + v.Writes, u.Bytes + v.Bytes, u.CPU + v.CPU, max(u.Peak, v.Peak)}
}

// per returns the usage per repetition.
func (u usage) per(times int) usage {
	n := float64(times)
	return usage{u.Writes / n, u.Bytes / n, u.CPU / n, u.Peak}
}

// responseDelay is longer than the responses to writes take.
const responseDelay = 200 * time.Millisecond

// meter measures the usage from its creation on.
type meter struct {
	operator *operator
	start    usage
}

// meter starts measuring the usage of the operator.
func (o *operator) meter(ctx context.Context) (*meter, error) {
	writes, err := o.writes(ctx)
	if err != nil {
		return nil, err
	}
	// 5 resets the kernel's peak of resident memory.
	if err := os.WriteFile(o.proc("clear_refs"), []byte("5"), 0); err != nil {
		return nil, err
	}
	start, err := o.counters()
	start.Writes = writes
	return &meter{o, start}, err
}

func (m *meter) read(ctx context.Context) (usage, error) {
	end, err := m.operator.counters()
	if err != nil {
		return usage{}, err
	}
	// The observer sees the last writes before the operator receives their responses
	// and counts them.
	time.Sleep(responseDelay)
	writes, err := m.operator.writes(ctx)
	return usage{writes - m.start.Writes, end.Bytes - m.start.Bytes, end.CPU - m.start.CPU, end.Peak}, err
}

func (o *operator) proc(file string) string {
	return fmt.Sprintf("/proc/%d/%s", o.process.PID(), file)
}

// counters returns the process's usage as measured by the operating system.
func (o *operator) counters() (u usage, err error) {
	if u.CPU, err = o.cpu(); err != nil {
		return u, err
	}
	if u.Bytes, err = o.field("io", "wchar:", 1); err != nil {
		return u, err
	}
	u.Peak, err = o.field("status", "VmHWM:", 1024)
	return u, err
}

// resident returns the current resident memory in bytes.
func (o *operator) resident() (float64, error) { return o.field("status", "VmRSS:", 1024) }

// field returns a number from a file in /proc, given the name at the start of its
// line.
func (o *operator) field(file, name string, unit float64) (float64, error) {
	text, err := os.ReadFile(o.proc(file))
	if err != nil {
		return 0, err
	}
	return parseField(string(text), name, unit)
}

func parseField(text, name string, unit float64) (float64, error) {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			number, err := strconv.ParseFloat(fields[1], 64)
			return number * unit, err
		}
	}
	return 0, fmt.Errorf("no field %q in %q", name, text)
}

// ticks is the number of clock ticks per second in /proc.
const ticks = 100

// cpu returns the CPU time of the process in seconds.
func (o *operator) cpu() (float64, error) {
	text, err := os.ReadFile(o.proc("stat"))
	if err != nil {
		return 0, err
	}
	return parseStat(text)
}

// parseStat returns the sum of fields 14 and 15 of /proc/PID/stat, user and
// system time. The second field is the program's name in parentheses, which can
// contain any character.
func parseStat(text []byte) (float64, error) {
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("too few fields: %q", text)
	}
	var sum float64
	for _, field := range fields[11:13] {
		number, err := strconv.ParseFloat(string(field), 64)
		if err != nil {
			return 0, err
		}
		sum += number
	}
	return sum / ticks, nil
}

// idle reports whether the operator uses almost no CPU time during the given
// duration.
func (o *operator) idle(ctx context.Context, duration time.Duration) (bool, error) {
	before, err := o.cpu()
	if err != nil {
		return false, err
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(duration):
	}
	after, err := o.cpu()
	return after-before <= 0.02, err
}
