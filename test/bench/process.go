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

// usage is what the operator took for a piece of work, as the operating system
// counts it, but for the writes, which it counts itself. (That there are none
// where nothing has changed is proven at the API server by test/integration.)
type usage struct {
	// Writes are requests that were to change a target.
	Writes float64
	// Bytes are those written to connections and the log.
	Bytes float64
	// CPU is processor time in seconds.
	CPU float64
	// Peak is the largest resident memory, in bytes.
	Peak float64
}

func (u usage) plus(v usage) usage {
	return usage{u.Writes + v.Writes, u.Bytes + v.Bytes, u.CPU + v.CPU, max(u.Peak, v.Peak)}
}

// per gives the usage of one of several times.
func (u usage) per(times int) usage {
	n := float64(times)
	return usage{u.Writes / n, u.Bytes / n, u.CPU / n, u.Peak}
}

// answerTime is longer than the answers to writes are under way.
const answerTime = 200 * time.Millisecond

// meter reads the usage from a moment on.
type meter struct {
	operator *operator
	start    usage
}

// meter begins to measure the usage of the operator.
func (o *operator) meter(ctx context.Context) (*meter, error) {
	writes, err := o.writes(ctx)
	if err != nil {
		return nil, err
	}
	// 5 has the kernel count the peak of resident memory anew.
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
	// The last writes were seen before their answers came in and were counted.
	time.Sleep(answerTime)
	writes, err := m.operator.writes(ctx)
	return usage{writes - m.start.Writes, end.Bytes - m.start.Bytes, end.CPU - m.start.CPU, end.Peak}, err
}

func (o *operator) proc(file string) string {
	return fmt.Sprintf("/proc/%d/%s", o.process.PID(), file)
}

// counters reads what the operating system has counted of the process.
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

// resident is the memory that the process has now, in bytes.
func (o *operator) resident() (float64, error) { return o.field("status", "VmRSS:", 1024) }

// field reads a number from a file of /proc whose lines begin with a name.
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
	return 0, fmt.Errorf("there is no %q in %q", name, text)
}

// ticks is how many of them Linux counts in a second for /proc.
const ticks = 100

// cpu is the processor time that the process has had, in seconds.
func (o *operator) cpu() (float64, error) {
	text, err := os.ReadFile(o.proc("stat"))
	if err != nil {
		return 0, err
	}
	return parseStat(text)
}

// parseStat reads fields 14 and 15 of /proc/PID/stat, user and system time. The
// second field is the program's name in parentheses, which may hold anything.
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

// idle says whether the operator takes hardly any processor time while it is
// looked at.
func (o *operator) idle(ctx context.Context, look time.Duration) (bool, error) {
	before, err := o.cpu()
	if err != nil {
		return false, err
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(look):
	}
	after, err := o.cpu()
	return after-before <= 0.02, err
}
