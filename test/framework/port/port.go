package port

import (
	"net"
	"sync"
)

// given are the ports that Free has returned. The system may offer a port twice before it
// is used.
var given sync.Map

// Free returns TCP ports of an address on which nothing listens. An empty address means
// all addresses of the machine. No port is returned twice.
func Free(address string, count int) ([]int, error) {
	var ports []int
	for len(ports) < count {
		listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
		if err != nil {
			return nil, err
		}
		port := listener.Addr().(*net.TCPAddr).Port
		if err := listener.Close(); err != nil {
			return nil, err
		}
		if _, used := given.LoadOrStore(port, true); !used {
			ports = append(ports, port)
		}
	}
	return ports, nil
}
