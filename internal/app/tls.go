package app

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// tlsVersions are the versions of TLS that the operator serves, by the names that
// Kubernetes' own components know them by.
var tlsVersions = map[string]uint16{
	"VersionTLS12": tls.VersionTLS12,
	"VersionTLS13": tls.VersionTLS13,
}

// tlsVersion reads the name of a version; none stands for TLS 1.2.
func tlsVersion(name string) (uint16, error) {
	if name == "" {
		return tls.VersionTLS12, nil
	}
	if version, ok := tlsVersions[name]; ok {
		return version, nil
	}
	return 0, fmt.Errorf("%q is neither VersionTLS12 nor VersionTLS13", name)
}

// cipherSuites reads names of cipher suites. None stands for Go's own choice.
func cipherSuites(names []string) ([]uint16, error) {
	known := map[string]*tls.CipherSuite{}
	var secure []string
	for _, suite := range tls.InsecureCipherSuites() {
		known[suite.Name] = suite
	}
	for _, suite := range tls.CipherSuites() {
		known[suite.Name] = suite
		secure = append(secure, suite.Name)
	}
	var suites []uint16
	for _, name := range names {
		switch suite := known[name]; {
		case suite == nil:
			return nil, fmt.Errorf("there is no cipher suite %q; there are %s", name, strings.Join(secure, ", "))
		case suite.Insecure:
			return nil, fmt.Errorf("%s is insecure; use some of %s", name, strings.Join(secure, ", "))
		default:
			suites = append(suites, suite.ID)
		}
	}
	return suites, nil
}
