package peer_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"trust-manager.io/internal/verify/peer"
	"trust-manager.io/test/framework/ca"
)

// L5: a server is given as HOST, HOST:PORT or a URL.
func TestParseAddress(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"server.example":                        "server.example:443",
		"server.example:8443":                   "server.example:8443",
		"192.0.2.1":                             "192.0.2.1:443",
		"::1":                                   "[::1]:443",
		"[::1]":                                 "[::1]:443",
		"[::1]:8443":                            "[::1]:8443",
		"fe80::1%eth0":                          "[fe80::1%eth0]:443",
		"https://server.example":                "server.example:443",
		"https://server.example:8443/path?q#f":  "server.example:8443",
		"HTTPS://[2001:db8::1]/path":            "[2001:db8::1]:443",
		"postgresql://user:secret@db.example/x": "db.example:5432",
		"smtp://mail.example":                   "mail.example:25",
		"unknown://server.example:99":           "server.example:99",
		// Not addresses.
		"":                       "",
		":443":                   "",
		"server.example:":        "",
		"server.example:0":       "",
		"server.example:70000":   "",
		"server.example:https":   "",
		"server.example/path":    "",
		"a b":                    "",
		"[server.example]":       "",
		"2001:db8::1:x:y":        "",
		"unknown://server":       "",
		"https://":               "",
		"https://u:secret@h:bad": "",
	} {
		address, err := peer.ParseAddress(value)
		got := ""
		if err == nil {
			got = address.String()
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error has the password: %v", value, err)
		}
		if got != want {
			t.Errorf("%q is %q, want %q: %v", value, got, want, err)
		}
	}
}

// L5: errors state what is wrong, and what to do.
func TestErrors(t *testing.T) {
	t.Parallel()
	for title, tc := range map[string]struct {
		// answer is what the server sends; then it closes the connection, unless it is silent.
		answer   string
		silent   bool
		startTLS string
		want     string
	}{
		"HTTP":            {answer: "HTTP/1.1 400 Bad Request\r\n\r\n", want: `does not answer with TLS, but with "HTTP/"; check the port`},
		"Closed":          {want: "closed the connection without a certificate"},
		"Timeout":         {silent: true, want: "timed out after 200ms"},
		"TimeoutSMTP":     {silent: true, startTLS: "smtp", want: "timed out after 200ms"},
		"ClosedSMTP":      {startTLS: "smtp", want: "greeting: the server closed the connection"},
		"RefusedSMTP":     {answer: "554 no \x1b service\r\n", startTLS: "smtp", want: `the server answers "554 no   service"`},
		"InjectedSMTP":    {answer: "220 a\r\n250 b\r\n", startTLS: "smtp", want: "sends data after its answer"},
		"LongLine":        {answer: strings.Repeat("a", 5000) + "\r\n", startTLS: "imap", want: "too long a line"},
		"ManyLines":       {answer: strings.Repeat("220-a\r\n", 200), startTLS: "smtp", want: "too many lines"},
		"RefusedPOP3":     {answer: "-ERR no\r\n", startTLS: "pop3", want: `the server answers "-ERR no"`},
		"PostgreSQLNoTLS": {answer: "N", startTLS: "postgres", want: "ssl = on"},
		"NotPostgreSQL":   {answer: "H", startTLS: "postgres", want: `not answer with PostgreSQL, but with "H"`},
		"RefusedLDAP":     {answer: "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x00", startTLS: "ldap", want: "LDAP result 52"},
		"NotLDAP":         {answer: "HTTP/1.1 400 Bad Request\r\n\r\n", startTLS: "ldap", want: "not answer with LDAP"},
		"NoTLSAfter":      {answer: "SHTTP/1.1 400\r\n", startTLS: "postgres", want: "after STARTTLS"},
		"UnknownSTARTTLS": {startTLS: "gopher", want: `"gopher" for STARTTLS is not one of none, imap, ldap, pop3, postgres, smtp`},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			timeout := 30 * time.Second
			if tc.silent {
				timeout = 200 * time.Millisecond
			}
			_, err := peer.Fetch(t.Context(), answering(t, tc.answer, tc.silent), peer.Options{StartTLS: tc.startTLS, Timeout: timeout})
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// answering returns a server that sends an answer to the first bytes of each client.
func answering(t *testing.T, answer string, silent bool) peer.Address {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		if silent {
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		_, _ = io.WriteString(conn, answer)
		// Closing with unread bytes would reset the connection before the answer has been read.
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, bufio.NewReader(conn))
	}()
	address, err := peer.ParseAddress(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// L5: a port on which no server listens, and a command that is interrupted.
func TestNoServer(t *testing.T) {
	t.Parallel()
	address := silentPort(t)
	if _, err := peer.Fetch(t.Context(), address, peer.Options{}); err == nil || !strings.Contains(err.Error(), "connection refused; no server listens") {
		t.Errorf("%v, want a refused connection", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := peer.Fetch(ctx, address, peer.Options{}); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("%v, want the end of the context", err)
	}
}

// L5: a chain that crypto/tls refuses to read is an answer about the server, not a failure.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	certificate, err := ca.New("Root").Issue(ca.ForHosts("server.example")).TLS()
	if err != nil {
		t.Fatal(err)
	}
	certificate.Certificate = append(certificate.Certificate, []byte("junk"))
	address := handshaking(t, &tls.Config{Certificates: []tls.Certificate{certificate}})
	var unreadable *peer.UnreadableError
	if _, err := peer.Fetch(t.Context(), address, peer.Options{Timeout: 30 * time.Second}); !errors.As(err, &unreadable) {
		t.Errorf("%v, want an UnreadableError", err)
	}
}

// L5: certificates are public, so only a handshake shows that a server holds the private key. A server
// that requires a client certificate has a reason to end it.
func TestFailure(t *testing.T) {
	t.Parallel()
	root := ca.New("Root")
	server, err := root.Issue(ca.ForHosts("server.example")).TLS()
	if err != nil {
		t.Fatal(err)
	}
	other, err := root.Issue().TLS()
	if err != nil {
		t.Fatal(err)
	}
	stolen := tls.Certificate{Certificate: server.Certificate, PrivateKey: other.PrivateKey}
	for title, tc := range map[string]struct {
		config *tls.Config
		// wantError and wantFailure are whether the handshake fails, and whether that matters.
		wantError, wantFailure bool
	}{
		"Complete":              {&tls.Config{Certificates: []tls.Certificate{server}}, false, false},
		"NoKey":                 {&tls.Config{Certificates: []tls.Certificate{stolen}}, true, true},
		"NoKeyTLS12":            {&tls.Config{Certificates: []tls.Certificate{stolen}, MaxVersion: tls.VersionTLS12}, true, true},
		"NoKeyAsksForClient":    {&tls.Config{Certificates: []tls.Certificate{stolen}, ClientAuth: tls.RequireAnyClientCert}, true, true},
		"RequiresClient":        {&tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, true, false},
		"RequiresClientInTLS13": {&tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAnyClientCert}, false, false},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			presented, err := peer.Fetch(t.Context(), handshaking(t, tc.config), peer.Options{Timeout: 30 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if (presented.HandshakeError != nil) != tc.wantError || (presented.Failure() != nil) != tc.wantFailure {
				t.Errorf("error %v, failure %v", presented.HandshakeError, presented.Failure())
			}
			if !tc.wantFailure && presented.ClientCertificate != (tc.config.ClientAuth != tls.NoClientCert) {
				t.Errorf("asks for a client certificate: %v", presented.ClientCertificate)
			}
		})
	}
}

// L5: only an alert of a server that asks for a client certificate is about that certificate.
func TestFailureOfOtherKinds(t *testing.T) {
	t.Parallel()
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}
	for title, presented := range map[string]peer.Presented{
		"Closed":       {ClientCertificate: true, HandshakeError: io.ErrUnexpectedEOF},
		"LocalNetwork": {ClientCertificate: true, HandshakeError: &net.OpError{Op: "read", Err: io.ErrClosedPipe}},
		"NotAsked":     {HandshakeError: alert},
	} {
		if presented.Failure() == nil {
			t.Errorf("%s: no failure", title)
		}
	}
	if asked := (peer.Presented{ClientCertificate: true, HandshakeError: alert}); asked.Failure() != nil {
		t.Errorf("failure %v", asked.Failure())
	}
}

// handshaking returns a server that ends each connection after the handshake.
func handshaking(t *testing.T, config *tls.Config) peer.Address {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		if conn, err := listener.Accept(); err == nil {
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()
	address, err := peer.ParseAddress(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// silentPort returns an address on which no server listens. The port stays bound, so that no other
// test gets it.
func silentPort(t *testing.T) peer.Address {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(socket) })
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	return peer.Address{Host: "127.0.0.1", Port: strconv.Itoa(bound.(*syscall.SockaddrInet4).Port)}
}
