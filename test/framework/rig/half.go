package rig

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// halfTime is how long a connection stays that was closed in one direction.
const halfTime = 3 * time.Second

// closable accepts connections that can be closed in one direction, below TLS.
type closable struct{ net.Listener }

// Accept implements net.Listener.
func (l closable) Accept() (net.Conn, error) {
	connection, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &half{Conn: connection}, nil
}

// half is a connection of a client. Once it has been closed in the direction of the
// client it still takes what comes from there, until halfTime is over; what the server
// writes goes nowhere. It is safe for concurrent use.
type half struct {
	net.Conn

	mu sync.Mutex
	// until is up to when it stays, zero while it is whole.
	until time.Time
}

// closeWrite has the client see the end of what comes: a FIN, and nothing of TLS.
func (h *half) closeWrite() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if tcp, ok := h.Conn.(*net.TCPConn); ok && h.until.IsZero() {
		h.until = time.Now().Add(halfTime)
		_ = tcp.CloseWrite() // the client may have just gone
	}
}

func (h *half) stays() (until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.until
}

// Write implements io.Writer.
func (h *half) Write(from []byte) (int, error) {
	if !h.stays().IsZero() {
		return len(from), nil
	}
	return h.Conn.Write(from)
}

// Close implements net.Conn. A connection that is half closed stays until halfTime is over.
func (h *half) Close() error {
	until := h.stays()
	if until.IsZero() {
		return h.Conn.Close()
	}
	time.AfterFunc(time.Until(until), func() { _ = h.Conn.Close() })
	return h.SetReadDeadline(time.Unix(1, 0)) // whoever still reads has it that it is closed
}

type halfKey struct{}

// withHalf has halfOf find the connection that a request came by.
func withHalf(ctx context.Context, connection net.Conn) context.Context {
	if secure, ok := connection.(*tls.Conn); ok {
		return context.WithValue(ctx, halfKey{}, secure.NetConn())
	}
	return ctx
}

// halfOf gives the connection of the client that asked for an answer.
func halfOf(response *http.Response) *half {
	connection, _ := response.Request.Context().Value(halfKey{}).(*half)
	return connection
}

// halved closes the client's connection in the direction of the client after some bytes,
// or at the end where that comes first.
type halved struct {
	io.ReadCloser
	left    int64
	client  *half
	request context.Context //nolint:containedctx // that of the one request
}

func (h *halved) Read(into []byte) (int, error) {
	if h.left > 0 {
		n, err := h.ReadCloser.Read(into[:min(int64(len(into)), h.left)])
		h.left -= int64(n)
		if err == nil || n > 0 {
			return n, nil // what there is goes to the client first
		}
	}
	h.client.closeWrite()
	select {
	case <-h.request.Done():
	case <-time.After(halfTime):
	}
	return 0, errHarm
}
