package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"log"
	"strings"
	"testing"

	"k8s.io/klog/v2"
)

// The tests in this file set the logger of all libraries, so they cannot run in
// parallel.

// R1: a message is one line of key=value pairs as text, and one object as JSON.
func TestLogFormats(t *testing.T) {
	for format, check := range map[string]func(t *testing.T, line string){
		"text": func(t *testing.T, line string) {
			t.Helper()
			for _, part := range []string{"time=", "level=INFO", `msg="Wrote a target"`, "target=a/b"} {
				if !strings.Contains(line, part) {
					t.Errorf("%q does not contain %q", line, part)
				}
			}
		},
		"json": func(t *testing.T, line string) {
			t.Helper()
			var message map[string]any
			if err := json.Unmarshal([]byte(line), &message); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if message["msg"] != "Wrote a target" || message["target"] != "a/b" || message["level"] != "INFO" || message["time"] == nil {
				t.Errorf("message %v", message)
			}
		},
	} {
		t.Run(format, func(t *testing.T) {
			var out bytes.Buffer
			o := &options{logFormat: format, logLevel: 1}
			o.logger(&out).Info("Wrote a target", "target", "a/b")
			if count := strings.Count(out.String(), "\n"); count != 1 {
				t.Fatalf("%d lines: %s", count, out.String())
			}
			check(t, out.String())
		})
	}
}

// R1: level n shows messages with a verbosity of up to n-1, and always errors.
func TestLogLevels(t *testing.T) {
	for level := 1; level <= 5; level++ {
		var out bytes.Buffer
		o := &options{logFormat: "text", logLevel: level}
		logger := o.logger(&out)
		for verbosity := range 7 {
			logger.V(verbosity).Info("message")
		}
		if count := strings.Count(out.String(), "message"); count != level {
			t.Errorf("level %d shows %d of 7 verbosities, want %d", level, count, level)
		}
		out.Reset()
		logger.Error(errors.New("broken"), "error")
		if !strings.Contains(out.String(), "level=ERROR") || !strings.Contains(out.String(), "broken") {
			t.Errorf("level %d: error logged as %q", level, out.String())
		}
	}
}

// The libraries log in the same format.
func TestLogOfLibraries(t *testing.T) {
	var out bytes.Buffer
	o := &options{logFormat: "json", logLevel: 1}
	o.logger(&out)
	klog.InfoS("from a library", "key", "value")
	klog.Flush()
	var message map[string]any
	if err := json.Unmarshal(out.Bytes(), &message); err != nil || message["msg"] != "from a library" || message["key"] != "value" {
		t.Errorf("%q: %v", out.String(), err)
	}
}

// Messages of the standard library, such as failed TLS handshakes, have the same format
// and appear only at level 2 and above.
func TestLogOfStandardLibrary(t *testing.T) {
	for level, want := range map[int]int{1: 0, 2: 1} {
		var out bytes.Buffer
		o := &options{logFormat: "json", logLevel: level}
		o.logger(&out)
		log.Print("http: TLS handshake error")
		if got := strings.Count(out.String(), `"msg":"http: TLS handshake error"`); got != want || strings.Count(out.String(), "\n") != want {
			t.Errorf("level %d: %q, want the message %d times", level, out.String(), want)
		}
	}
}
