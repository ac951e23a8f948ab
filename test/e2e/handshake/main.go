// Command handshake is both ends of a TLS connection, for pods of the e2e test.
//
//	handshake serve DIR        serve TLS on port 8443 with DIR/tls.crt and DIR/tls.key
//	handshake dial FILE HOST   connect to HOST:8443 again and again, trusting the
//	                           certificates in FILE and no others
//
// dial reads FILE again for each connection, like a program that reloads its trust
// store. It prints a line whenever the outcome changes: "trusted", or "refused: " and
// the error. It uses nothing of trust-manager.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const (
	port  = "8443"
	pause = 200 * time.Millisecond
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
		return dial(args[1], args[2])
	default:
		return errors.New("usage: handshake serve DIR | handshake dial FILE HOST")
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

func dial(file, host string) error {
	for last := ""; ; time.Sleep(pause) {
		outcome := "trusted"
		if err := connect(file, host); err != nil {
			outcome = "refused: " + err.Error()
		}
		if outcome != last {
			fmt.Println(outcome)
			last = outcome
		}
	}
}

// connect completes one handshake.
func connect(file, host string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return fmt.Errorf("no certificate in %s", file)
	}
	dialer := &net.Dialer{Timeout: time.Second}
	connection, err := tls.DialWithDialer(dialer, "tcp", net.JoinHostPort(host, port), &tls.Config{RootCAs: roots})
	if err != nil {
		return err
	}
	return connection.Close()
}
