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

// halfTime is how long a half-closed connection stays open.
const halfTime = 3 * time.Second

// closable accepts connections that can be half-closed below TLS.
type closable struct{ net.Listener }

// Accept implements net.Listener.
func (l closable) Accept() (net.Conn, error) {
	connection, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &half{Conn: connection}, nil
}

// half is a client's connection. After closeWrite it still accepts what the client sends,
// for halfTime, and discards what the server writes. It is safe for concurrent use.
type half struct {
	net.Conn

	mu sync.Mutex
	// until is when a half-closed connection ends. It is zero before.
	until time.Time
}

// closeWrite sends a FIN to the client, without closing the TLS session.
func (h *half) closeWrite() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if tcp, ok := h.Conn.(*net.TCPConn); ok && h.until.IsZero() {
		h.until = time.Now().Add(halfTime)
		_ = tcp.CloseWrite() // the client may have closed it
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

// Close implements net.Conn. A half-closed connection stays open for halfTime.
func (h *half) Close() error {
	until := h.stays()
	if until.IsZero() {
		return h.Conn.Close()
	}
	time.AfterFunc(time.Until(until), func() { _ = h.Conn.Close() })
	return h.SetReadDeadline(time.Unix(1, 0)) // ends reads that are in progress
}

type halfKey struct{}

// withHalf stores the connection in the context of its requests, for halfOf.
func withHalf(ctx context.Context, connection net.Conn) context.Context {
	if secure, ok := connection.(*tls.Conn); ok {
		return context.WithValue(ctx, halfKey{}, secure.NetConn())
	}
	return ctx
}

// halfOf returns the connection of the client that a response is for.
func halfOf(response *http.Response) *half {
	connection, _ := response.Request.Context().Value(halfKey{}).(*half)
	return connection
}

// halved half-closes the client's connection after some bytes, or at the end of the
// response.
type halved struct {
	io.ReadCloser
	left    int64
	client  *half
	request context.Context //nolint:containedctx // of this request
}

func (h *halved) Read(into []byte) (int, error) {
	if h.left > 0 {
		n, err := h.ReadCloser.Read(into[:min(int64(len(into)), h.left)])
		h.left -= int64(n)
		if err == nil || n > 0 {
			return n, nil // these bytes go to the client first
		}
	}
	h.client.closeWrite()
	select {
	case <-h.request.Done():
	case <-time.After(halfTime):
	}
	return 0, errHarm
}
