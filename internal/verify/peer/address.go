package peer

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Address is a server.
type Address struct {
	// Host is a DNS name or an IP address, without brackets.
	Host string
	Port string
}

// String returns the address as HOST:PORT, with an IPv6 address in brackets.
func (a Address) String() string { return net.JoinHostPort(a.Host, a.Port) }

const defaultPort = "443"

// schemePorts are the ports of URLs without one.
var schemePorts = map[string]string{
	"https": defaultPort, "wss": defaultPort, "smtps": "465", "imaps": "993", "pop3s": "995", "ldaps": "636",
	"smtp": "25", "imap": "143", "pop3": "110", "ldap": "389", "postgres": "5432", "postgresql": "5432",
}

// ParseAddress returns the address in HOST, HOST:PORT or a URL. An IPv6 address needs brackets only
// before a port. Without a port, it is that of the scheme, or 443.
func ParseAddress(value string) (Address, error) {
	if scheme, _, ok := strings.Cut(value, "://"); ok {
		return parseURL(value, strings.ToLower(scheme))
	}
	host, port := value, defaultPort
	if bare := strings.TrimSuffix(strings.TrimPrefix(value, "["), "]"); isIP(bare) {
		host = bare
	} else if strings.Contains(value, ":") {
		var err error
		if host, port, err = net.SplitHostPort(value); err != nil {
			return Address{}, fmt.Errorf("%q is neither HOST, HOST:PORT nor a URL; an IPv6 address with a port needs brackets, as in [::1]:443", value)
		}
	}
	return newAddress(value, host, port)
}

func parseURL(value, scheme string) (Address, error) {
	parsed, err := url.Parse(value)
	if err != nil {
		// The error of package url has the entire value, which may have a password.
		return Address{}, fmt.Errorf("the URL with the scheme %q is malformed", scheme)
	}
	port := parsed.Port()
	if port == "" {
		var ok bool
		if port, ok = schemePorts[scheme]; !ok {
			return Address{}, fmt.Errorf("the URL scheme %q has no known port; give HOST:PORT", scheme)
		}
	}
	return newAddress(parsed.Redacted(), parsed.Hostname(), port)
}

func newAddress(value, host, port string) (Address, error) {
	if host == "" || strings.ContainsAny(host, " /@[]") {
		return Address{}, fmt.Errorf("%q has no valid host; give HOST, HOST:PORT or a URL", value)
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return Address{}, fmt.Errorf("%q has no valid port: it must be from 1 to 65535", value)
	}
	return Address{Host: host, Port: port}, nil
}

func isIP(host string) bool {
	address, _, _ := strings.Cut(host, "%") // a zone
	return net.ParseIP(address) != nil
}
