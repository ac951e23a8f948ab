package peer

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"trust-manager.io/internal/text"
)

// Options are how a server is asked for its certificates.
type Options struct {
	// ServerName is the name that is sent to the server (SNI, RFC 6066, 3). By default it is the
	// host. An IP address is not sent.
	ServerName string
	// StartTLS is the protocol that is upgraded to TLS: one of [Protocols], [Direct] for TLS from
	// the start, or empty for the one of the port.
	StartTLS string
	// Timeout limits everything together. 0 means that only the context does.
	Timeout time.Duration
}

// Presented is what a server presents.
type Presented struct {
	// Chain are the certificates in DER, in the order of the server.
	Chain [][]byte
	// Version and CipherSuite are those negotiated, such as "TLS 1.3".
	Version, CipherSuite string
	// StartTLS is the protocol that was upgraded; empty for TLS from the start.
	StartTLS string
	// ClientCertificate reports that the server asks for a client certificate.
	ClientCertificate bool
	// HandshakeError is why the handshake failed after the server had sent its certificates, for
	// example since it requires a client certificate; nil if it did not fail.
	HandshakeError error
}

// Failure returns why the server has not proven that it holds the private key, or nil. A server that
// asks for a client certificate and then ends the handshake refuses the client, as it is expected to.
func (p *Presented) Failure() error {
	if p.ClientCertificate && isRemoteAlert(p.HandshakeError) {
		return nil
	}
	return p.HandshakeError
}

// isRemoteAlert reports whether an error is an alert of the server (RFC 8446, 6).
func isRemoteAlert(err error) bool {
	var alert tls.AlertError
	var network *net.OpError
	return errors.As(err, &alert) || errors.As(err, &network) && network.Op == "remote error"
}

// UnreadableError means that a server has sent certificates that crypto/tls cannot read.
type UnreadableError struct{ Err error }

// Error returns the cause.
func (e *UnreadableError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UnreadableError) Unwrap() error { return e.Err }

// Fetch connects to a server, and returns what it presents. If the certificates cannot be read,
// the error is an [UnreadableError].
func Fetch(ctx context.Context, address Address, options Options) (*Presented, error) {
	protocol, err := protocolOf(address, options.StartTLS)
	if err != nil {
		return nil, err
	}
	if options.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, options.Timeout)
		defer cancel()
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address.String())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, explainNetwork(ctx, err, options.Timeout))
	}
	defer func() { _ = conn.Close() }()
	// STARTTLS has no context; closing the connection ends it.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if upgrade := upgrades[protocol]; upgrade != nil {
		if err := upgrade(conn); err != nil {
			return nil, fmt.Errorf("STARTTLS of %s for %s: %w", address, protocol, explainNetwork(ctx, err, options.Timeout))
		}
	}
	presented, err := handshake(ctx, conn, cmp.Or(options.ServerName, address.Host))
	if err != nil {
		if unreadable := new(UnreadableError); errors.As(err, &unreadable) {
			return nil, err
		}
		return nil, fmt.Errorf("TLS handshake with %s: %w", address, explainHandshake(ctx, err, options.Timeout, protocol))
	}
	if protocol != Direct {
		presented.StartTLS = protocol
	}
	return presented, nil
}

// handshake returns what the server presents, even if the handshake fails afterwards.
func handshake(ctx context.Context, conn net.Conn, serverName string) (*Presented, error) {
	var presented Presented
	client := tls.Client(conn, &tls.Config{
		ServerName: strings.Trim(serverName, "[]"),
		// The certificates are read, not trusted: package verify verifies them afterwards, and
		// explains why it does not trust them. No data is exchanged over this connection.
		InsecureSkipVerify: true, //nolint:gosec // see above
		// Old servers are looked at too.
		MinVersion:   tls.VersionTLS10,
		CipherSuites: allCipherSuites(),
		VerifyConnection: func(state tls.ConnectionState) error {
			presented.Version, presented.CipherSuite = tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
			for _, cert := range state.PeerCertificates {
				presented.Chain = append(presented.Chain, cert.Raw)
			}
			return nil
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			presented.ClientCertificate = true
			return &tls.Certificate{}, nil
		},
	})
	err := client.HandshakeContext(ctx)
	if err != nil && len(presented.Chain) == 0 {
		// The error has no type of its own.
		if reason, ok := strings.CutPrefix(err.Error(), "tls: failed to parse certificate from server: "); ok {
			return nil, &UnreadableError{Err: errors.New(reason)}
		}
		return nil, err
	}
	presented.HandshakeError = err
	return &presented, nil
}

// allCipherSuites returns all cipher suites for TLS 1.2 and below, for old servers.
func allCipherSuites() (ids []uint16) {
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		ids = append(ids, suite.ID)
	}
	return ids
}

// explainNetwork returns an error of the network in the words of a user.
func explainNetwork(ctx context.Context, err error, timeout time.Duration) error {
	var unknown *net.DNSError
	var network net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case ctx.Err() != nil && timeout > 0:
		return fmt.Errorf("timed out after %s; the server does not answer, or a firewall drops the packets", timeout)
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return errors.New("timed out; the server does not answer, or a firewall drops the packets")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("connection refused; no server listens on this port, or a firewall rejects it")
	case errors.As(err, &unknown):
		return fmt.Errorf("the host name does not resolve: %s", unknown.Err)
	}
	return err
}

// explainHandshake returns an error of a handshake in the words of a user.
func explainHandshake(ctx context.Context, err error, timeout time.Duration, protocol string) error {
	var record tls.RecordHeaderError
	switch {
	case ctx.Err() != nil:
		return explainNetwork(ctx, err, timeout)
	case errors.As(err, &record) && protocol == Direct:
		return fmt.Errorf("the server does not answer with TLS, but with %q; check the port, or give the protocol to upgrade with --starttls",
			text.Printable(string(record.RecordHeader[:])))
	case errors.As(err, &record):
		return fmt.Errorf("the server does not answer with TLS after STARTTLS, but with %q", text.Printable(string(record.RecordHeader[:])))
	case isClosed(err):
		return errors.New("the server closed the connection without a certificate; it may not speak TLS on this port, or may require another server name")
	}
	return explainNetwork(ctx, err, timeout)
}
