package server

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// connLimiter bounds the open connections of one server. It is safe for concurrent
// use.
type connLimiter struct {
	max int

	mu sync.Mutex
	// byState lists the connections in each state, in the order in which they entered
	// it.
	byState map[http.ConnState]*list.List
	entries map[net.Conn]entry
	// evicted contains connections that were evicted and that the server has not closed
	// yet: it may still report other state changes of theirs.
	evicted map[net.Conn]bool
}

// entry is the position of a connection in the list of its state.
type entry struct {
	state   http.ConnState
	element *list.Element
}

func newConnLimiter(limit int) *connLimiter {
	return &connLimiter{
		max:     limit,
		byState: map[http.ConnState]*list.List{http.StateNew: list.New(), http.StateIdle: list.New(), http.StateActive: list.New()},
		entries: map[net.Conn]entry{},
		evicted: map[net.Conn]bool{},
	}
}

// track is the ConnState callback of an [http.Server]. The server calls it in order for
// each connection: new (until the first headers are complete), active (while it reads
// and answers a request), idle (until the next headers are complete), closed.
func (l *connLimiter) track(conn net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(conn)
	conns, isOpen := l.byState[state]
	if !isOpen {
		delete(l.evicted, conn)
		return
	}
	if l.evicted[conn] {
		return
	}
	l.entries[conn] = entry{state, conns.PushBack(conn)}
	if len(l.entries) > l.max {
		victim := l.victim(conn)
		l.remove(victim)
		l.evicted[victim] = true
		abort(victim)
	}
}

// victim returns the connection to evict: the oldest in the most populated state. A
// client that occupies many connections therefore evicts its own, in whatever state it
// keeps them, while new clients and clients with few requests keep theirs long enough.
// If states are equally populated, new connections go first, since they have served no
// request yet, and then idle ones.
func (l *connLimiter) victim(newcomer net.Conn) net.Conn {
	fullest := l.byState[http.StateNew]
	for _, state := range []http.ConnState{http.StateIdle, http.StateActive} {
		if l.byState[state].Len() > fullest.Len() {
			fullest = l.byState[state]
		}
	}
	if conn, ok := fullest.Front().Value.(net.Conn); ok {
		return conn
	}
	return newcomer
}

func (l *connLimiter) remove(conn net.Conn) {
	if e, ok := l.entries[conn]; ok {
		l.byState[e.state].Remove(e.element)
		delete(l.entries, conn)
	}
}

// abort closes a connection immediately. A TLS close_notify would have to wait for the
// client, and the server accepts no connection meanwhile.
func abort(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	_ = conn.Close() // the connection may already be closed
}
