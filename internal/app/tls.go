package app

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// tlsVersions maps the names that Kubernetes components use to the TLS versions that
// the operator supports.
var tlsVersions = map[string]uint16{
	"VersionTLS12": tls.VersionTLS12,
	"VersionTLS13": tls.VersionTLS13,
}

// tlsVersion returns the TLS version with the given name. An empty name means TLS 1.2.
func tlsVersion(name string) (uint16, error) {
	if name == "" {
		return tls.VersionTLS12, nil
	}
	if version, ok := tlsVersions[name]; ok {
		return version, nil
	}
	return 0, fmt.Errorf("%q is neither VersionTLS12 nor VersionTLS13", name)
}

// cipherSuites returns the IDs of the cipher suites with the given names. No names mean
// Go's defaults.
func cipherSuites(names []string) ([]uint16, error) {
	byName := map[string]*tls.CipherSuite{}
	var secure []string
	for _, suite := range tls.InsecureCipherSuites() {
		byName[suite.Name] = suite
	}
	for _, suite := range tls.CipherSuites() {
		byName[suite.Name] = suite
		secure = append(secure, suite.Name)
	}
	var ids []uint16
	for _, name := range names {
		switch suite := byName[name]; {
		case suite == nil:
			return nil, fmt.Errorf("unknown cipher suite %q; supported are %s", name, strings.Join(secure, ", "))
		case suite.Insecure:
			return nil, fmt.Errorf("%s is insecure; supported are %s", name, strings.Join(secure, ", "))
		default:
			ids = append(ids, suite.ID)
		}
	}
	return ids, nil
}
