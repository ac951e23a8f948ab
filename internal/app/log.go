package app

import (
	"io"
	"log/slog"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// logger makes the logger that the flags ask for, for the operator and the
// libraries beneath it. Level n shows what is logged at verbosity n-1 and less;
// what Go's own HTTP server says of clients that make no sense is of verbosity 1.
func (o *options) logger(out io.Writer) logr.Logger {
	// logr's verbosities are slog's levels, negated.
	settings := &slog.HandlerOptions{Level: slog.Level(1 - o.logLevel)}
	var handler slog.Handler = slog.NewTextHandler(out, settings)
	if o.logFormat == "json" {
		handler = slog.NewJSONHandler(out, settings)
	}
	logger := logr.FromSlogHandler(handler)
	klog.SetLogger(logger)
	slog.SetDefault(slog.New(handler))
	slog.SetLogLoggerLevel(slog.Level(-1))
	return logger
}
