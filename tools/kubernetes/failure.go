package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// tailLines is the number of log lines that a failure includes.
const tailLines = 20

// failure is an error of one process of the control plane. Its text ends with the
// path and the last lines of the process's log.
type failure struct {
	name, log string
	cause     error
}

func (f *failure) Error() string {
	lines, err := tail(f.log)
	if err != nil {
		return fmt.Sprintf("%s: %v (its log can't be read: %v)", f.name, f.cause, err)
	}
	return fmt.Sprintf("%s: %v; the last %d lines of %s:\n%s",
		f.name, f.cause, len(lines), f.log, strings.Join(lines, "\n"))
}

func (f *failure) Unwrap() error { return f.cause }

// portTaken reports whether the process failed because another program had taken
// its port.
func (f *failure) portTaken() bool {
	lines, err := tail(f.log)
	return err == nil && strings.Contains(strings.Join(lines, "\n"), "address already in use")
}

// tail returns the last lines of a file, reading at most its last 64 KiB.
func tail(name string) ([]string, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	const window = 64 << 10
	text, err := io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-window), window))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return lines[max(0, len(lines)-tailLines):], nil
}
