package server

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// crowd bounds the connections of one server. It is safe for concurrent use.
type crowd struct {
	most int

	mu sync.Mutex
	// states has, for each state, its connections in the order in which they came
	// into it.
	states map[http.ConnState]*list.List
	places map[net.Conn]place
	// left are connections that had to make room and have not been closed by the
	// server yet: what was read of their requests is still told of.
	left map[net.Conn]bool
}

// place is where a connection stands in the list of its state.
type place struct {
	state   http.ConnState
	element *list.Element
}

func newCrowd(most int) *crowd {
	return &crowd{
		most:   most,
		states: map[http.ConnState]*list.List{http.StateNew: list.New(), http.StateIdle: list.New(), http.StateActive: list.New()},
		places: map[net.Conn]place{},
		left:   map[net.Conn]bool{},
	}
}

// follow is the ConnState of an http.Server, which calls it in the order of events
// for each connection: new (up to the end of the first headers), active while a
// request is read and answered, idle until the headers of the next have come, closed.
func (c *crowd) follow(connection net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(connection)
	waiting, open := c.states[state]
	if !open {
		delete(c.left, connection)
		return
	}
	if c.left[connection] {
		return
	}
	c.places[connection] = place{state, waiting.PushBack(connection)}
	if len(c.places) > c.most {
		leaving := c.first(connection)
		c.remove(leaving)
		c.left[leaving] = true
		hangUp(leaving)
	}
}

// first gives the connection that has to make room for a new one: the oldest in the
// state in which most are. So whoever takes up places takes them from itself, in
// whatever state it holds them, and who comes anew or asks seldom keeps a place for long
// enough. Of states with as many, those go first that were never of use, and then those
// that are kept for the next request.
func (c *crowd) first(newcomer net.Conn) net.Conn {
	fullest := c.states[http.StateNew]
	for _, state := range []http.ConnState{http.StateIdle, http.StateActive} {
		if c.states[state].Len() > fullest.Len() {
			fullest = c.states[state]
		}
	}
	if connection, ok := fullest.Front().Value.(net.Conn); ok {
		return connection
	}
	return newcomer
}

func (c *crowd) remove(connection net.Conn) {
	if at, known := c.places[connection]; known {
		c.states[at.state].Remove(at.element)
		delete(c.places, connection)
	}
}

// hangUp closes a connection at once: to take leave as TLS has it would wait for
// the client, and the server accepts nobody meanwhile.
func hangUp(connection net.Conn) {
	if secure, ok := connection.(*tls.Conn); ok {
		connection = secure.NetConn()
	}
	_ = connection.Close() // it may have just ended by itself
}
