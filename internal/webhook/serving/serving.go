package serving

import "time"

const (
	// servingLife is the validity of a serving certificate. It is short, because the old CA
	// stays trusted for that time after a new CA was created.
	servingLife = 90 * 24 * time.Hour
	// authorityLife is the validity of a CA. Only the operator needs to know about a new CA,
	// so there is no reason to keep a key for many years. A third of it remains when the
	// next CA is created, which is longer than servingLife: no certificate outlives its CA.
	authorityLife = 365 * 24 * time.Hour
	// skew is how far the clocks of API servers may lag behind.
	skew = time.Hour
	// propagationTime bounds the time until API servers use a new caBundle. They watch the
	// configuration, so it usually takes milliseconds.
	propagationTime = 30 * time.Second
	// maxAuthorities bounds the CAs in a caBundle. Usually there are at most two; each
	// deletion of the Secret within servingLife adds one.
	maxAuthorities = 5
)

// SecretName returns the name of the Secret for the Service and the
// ValidatingWebhookConfiguration with the given name. It differs from the Secret with the
// suffix -tls that Helm or cert-manager own, so that they and the operator can take over
// from each other without a conflict.
func SecretName(name string) string { return name + "-webhook-tls" }

// hostNames returns the host names of a Service. The API server uses the first.
func hostNames(name, namespace string) []string {
	host := name + "." + namespace + ".svc"
	return []string{host, host + ".cluster.local"}
}
