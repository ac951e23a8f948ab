package app

import (
	"io"
	"log/slog"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// logger returns the logger that the flags configure, and installs it in the
// libraries. Level n shows messages with a verbosity of up to n-1. Messages of the
// standard library, such as net/http's about malformed requests, have verbosity 1.
func (o *options) logger(out io.Writer) logr.Logger {
	// A logr verbosity is a negated slog level.
	opts := &slog.HandlerOptions{Level: slog.Level(1 - o.logLevel)}
	var handler slog.Handler = slog.NewTextHandler(out, opts)
	if o.logFormat == "json" {
		handler = slog.NewJSONHandler(out, opts)
	}
	logger := logr.FromSlogHandler(handler)
	klog.SetLogger(logger)
	slog.SetDefault(slog.New(handler))
	slog.SetLogLoggerLevel(slog.Level(-1))
	return logger
}
