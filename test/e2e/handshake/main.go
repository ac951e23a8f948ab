// Command handshake is both ends of a TLS connection, for pods of the e2e test.
//
//	handshake serve DIR        serve TLS on port 8443 with DIR/tls.crt and DIR/tls.key
//	handshake dial FILE HOST   connect to HOST:8443 again and again, trusting the
//	                           certificates in FILE and no others
//	handshake connect HOST     connect to HOST:8443 once, trusting what Go trusts by
//	                           default
//	handshake repeat PROGRAM [ARGUMENT...]
//	                           run a program again and again that connects once
//
// dial reads FILE again for each connection, like a program that reloads its trust
// store. dial and repeat print a line whenever the outcome changes: "trusted", or
// "refused: " and the error. It uses nothing of trust-manager.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	port  = "8443"
	pause = 200 * time.Millisecond
	// limit is how long a program that connects once may run.
	limit = 10 * time.Second
)

func main() {
	// Signals without a handler do not end the first process of a pod.
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		<-ended
		os.Exit(0)
	}()
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "handshake:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(args[1])
	case len(args) == 3 && args[0] == "dial":
		return watch(func() error { return dial(args[1], args[2]) })
	case len(args) == 2 && args[0] == "connect":
		return connect(args[1], nil)
	case len(args) >= 2 && args[0] == "repeat":
		return watch(func() error { return call(args[1], args[2:]...) })
	default:
		return errors.New("usage: handshake serve DIR | dial FILE HOST | connect HOST | repeat PROGRAM [ARGUMENT...]")
	}
}

func serve(dir string) error {
	server := &http.Server{
		Addr:              ":" + port,
		ReadHeaderTimeout: time.Second,
		Handler:           http.NotFoundHandler(), // the handshake is all that counts
	}
	return server.ListenAndServeTLS(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
}

// watch connects again and again, and prints each outcome that differs from the last one.
func watch(attempt func() error) error {
	for last := ""; ; time.Sleep(pause) {
		outcome := "trusted"
		if err := attempt(); err != nil {
			outcome = "refused: " + err.Error()
		}
		if outcome != last {
			fmt.Println(outcome)
			last = outcome
		}
	}
}

// dial completes one handshake, trusting the certificates in a file.
func dial(file, host string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return fmt.Errorf("no certificate in %s", file)
	}
	return connect(host, roots)
}

// connect completes one handshake. Without roots, it trusts what Go trusts by default.
func connect(host string, roots *x509.CertPool) error {
	dialer := &net.Dialer{Timeout: time.Second}
	connection, err := tls.DialWithDialer(dialer, "tcp", net.JoinHostPort(host, port), &tls.Config{RootCAs: roots})
	if err != nil {
		return err
	}
	return connection.Close()
}

// call runs a program that connects once. The error contains its output, in one line.
func call(program string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if out, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.Join(strings.Fields(string(out)), " "))
	}
	return nil
}
