// Package serving keeps the webhook's own certificate where nobody else does: it
// makes a CA and a serving certificate, holds them in one Secret, renews them in
// time, and has the API server trust the CA.
//
// What always holds: a certificate is shown only once the caBundle in the cluster
// covers it; a CA stays in the caBundle for as long as a certificate of it can be
// in use; replicas agree by the resource versions of the two objects, with no need
// of a leader; nothing of a private key is in a log or an error.
//
// What is to be made is decided in decide.go, what is to be shown in show.go; both
// are pure. The Keeper reads, writes and waits. Serving is not done here.
package serving

import "time"

const (
	// servingLife is how long a serving certificate is valid. It is what the old
	// CA stays trusted for after a change of CA, so it is short.
	servingLife = 90 * 24 * time.Hour
	// authorityLife is how long a CA is valid. Nobody but this operator has to learn
	// of a new one, so there is no reason to keep a key for many years. The third of
	// it that is left when the next CA is made is longer than servingLife: no
	// certificate outlives its CA.
	authorityLife = 365 * 24 * time.Hour
	// skew is how far the clocks of API servers may be behind.
	skew = time.Hour
	// settle is how long API servers may take to learn of a caBundle. They watch, so
	// that it is milliseconds usually.
	settle = 30 * time.Second
	// maxAuthorities bounds a bundle. In good order there are two at most; each
	// deletion of the Secret within servingLife adds one.
	maxAuthorities = 5
)

// SecretName gives the name of the Secret that belongs to a Service and a
// ValidatingWebhookConfiguration of this name. The Secret with just -tls after the name
// is that of a certificate which Helm or cert-manager makes: they are left to do with
// it what they want when the operator takes over from them, or they from it.
func SecretName(name string) string { return name + "-webhook-tls" }

// hostNames are those that a Service is called by. The API server uses the first.
func hostNames(name, namespace string) []string {
	host := name + "." + namespace + ".svc"
	return []string{host, host + ".cluster.local"}
}
