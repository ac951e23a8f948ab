package verify

import "time"

// Cause is the class of a fault. Its text never changes: scripts compare against it.
type Cause string

// The causes for which a chain is not trusted.
const (
	// UnknownAuthority means that a CA is not trusted, or is neither sent nor trusted.
	UnknownAuthority Cause = "UnknownAuthority"
	// MissingIntermediate means that the server does not send an intermediate.
	MissingIntermediate Cause = "MissingIntermediate"
	// SelfSigned means that the server's certificate is its own issuer, and is not trusted.
	SelfSigned Cause = "SelfSigned"
	// WrongName means that the server's certificate is for other names.
	WrongName Cause = "WrongName"
	// Expired and NotYetValid are about the validity of any certificate, trust anchors included.
	Expired     Cause = "Expired"
	NotYetValid Cause = "NotYetValid"
	// NotACA means that an issuer may not sign certificates, by its basic constraints or key usage.
	NotACA Cause = "NotACA"
	// PathLength means that there are more CAs below a CA than its basic constraints allow.
	PathLength Cause = "PathLength"
	// NameConstraints means that a CA may not issue certificates for a name.
	NameConstraints Cause = "NameConstraints"
	// ExtendedKeyUsage means that a certificate is not for TLS servers.
	ExtendedKeyUsage Cause = "ExtendedKeyUsage"
	// WeakSignature means that a certificate is signed with MD5 or SHA-1.
	WeakSignature Cause = "WeakSignature"
	// WeakKey means that an RSA key is too short.
	WeakKey Cause = "WeakKey"
	// UnsupportedAlgorithm means that Go cannot verify a signature.
	UnsupportedAlgorithm Cause = "UnsupportedAlgorithm"
	// InvalidSignature means that a certificate names an issuer by name and key identifier that has
	// not signed it.
	InvalidSignature Cause = "InvalidSignature"
	// CriticalExtension means that Go does not support a critical extension.
	CriticalExtension Cause = "CriticalExtension"
	// Nonconforming means that the CA is trusted, but its certificate cannot be used by Go.
	Nonconforming Cause = "Nonconforming"
	// NameEncoding means that the CA is trusted, but its name is encoded differently in the
	// certificate that it has issued.
	NameEncoding Cause = "NameEncoding"
	// Handshake means that the handshake failed after the server had sent its certificates, so it has
	// not proven that it holds the private key.
	Handshake Cause = "Handshake"
	// NoCertificate means that the server sends no certificate.
	NoCertificate Cause = "NoCertificate"
	// Malformed means that a certificate of the server cannot be parsed.
	Malformed Cause = "Malformed"
	// Rejected means that Go rejects the chain for another reason, such as policies.
	Rejected Cause = "Rejected"
)

// Result reports whether a chain is trusted, and why not.
type Result struct {
	Trusted bool `json:"trusted"`
	// ServerName is the name that the server's certificate must have; empty if any is accepted.
	ServerName string `json:"serverName,omitempty"`
	// Cause and Detail are those of the first fault. If the chain is trusted, Cause is empty, and
	// Detail names the trust anchor.
	Cause  Cause  `json:"cause,omitempty"`
	Detail string `json:"detail"`
	// Faults are all reasons why the chain is not trusted, the most important one first.
	Faults []Fault `json:"faults,omitempty"`
	// Missing are the CAs that are neither sent by the server nor trusted, from the issuer of the
	// last certificate that was reached up to the root, as far as they are known.
	Missing []MissingCA `json:"missing,omitempty"`
	// ServerForgot reports whether the server does not send an intermediate that it should send.
	ServerForgot Likelihood `json:"serverForgotIntermediate,omitempty"`
	// Notes describe what may differ with other clients than those in Go, and what the server
	// should change although the chain is trusted.
	Notes []string `json:"notes,omitempty"`
	// Sent are the certificates of the server, in its order.
	Sent []Certificate `json:"sent,omitempty"`
	// Chains are the verified chains, each from the server's certificate to a trust anchor.
	Chains [][]Certificate `json:"chains,omitempty"`
}

// Fault is one reason why a chain is not trusted.
type Fault struct {
	Cause Cause `json:"cause"`
	// Detail describes what is wrong, where, and what to do.
	Detail string `json:"detail"`
	// Subject and SHA256 identify the certificate that is at fault or missing, as far as known.
	Subject string `json:"subject,omitempty"`
	SHA256  string `json:"sha256,omitempty"`
}

// Likelihood is how certain a conclusion is. The zero value means that nothing indicates it.
type Likelihood string

// The likelihoods.
const (
	Yes      Likelihood = "Yes"
	Possibly Likelihood = "Possibly"
)

// Certificate identifies a certificate. Key identifiers and fingerprints are hexadecimal.
type Certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	KeyID     string    `json:"keyID,omitempty"`
	SHA256    string    `json:"sha256"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
}

// Role is what a missing CA is, if its certificate is known.
type Role string

// The roles. A CA whose certificate is not known has none.
const (
	Root         Role = "Root"
	Intermediate Role = "Intermediate"
)

// MissingCA is a CA that a chain lacks.
type MissingCA struct {
	Subject string `json:"subject"`
	// KeyID is the key identifier, if the certificate that it has issued names it.
	KeyID string `json:"keyID,omitempty"`
	Role  Role   `json:"role,omitempty"`
	// Issuer and SHA256 are set if its certificate is known.
	Issuer string `json:"issuer,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// RequiredBy is the subject of the certificate that it has issued.
	RequiredBy string `json:"requiredBy,omitempty"`
	// URLs are where its certificate is published, by the authority information access of the
	// certificate that it has issued (RFC 5280, 4.2.2.1).
	URLs []string `json:"urls,omitempty"`
	// Known is where certificates with its name and key are.
	Known []Location `json:"known,omitempty"`
	// SameName is where certificates with its name and another key are. They do not help: the CA
	// was probably rotated.
	SameName []Location `json:"sameName,omitempty"`
}

// Location is a certificate in a place.
type Location struct {
	// Place describes where it is. It is "trusted" for a trusted certificate without an origin.
	Place string `json:"place"`
	// Remedy is what makes it trusted, if adding it to the sources does not.
	Remedy string `json:"remedy,omitempty"`
	// Trusted reports that it is one of the trusted certificates.
	Trusted  bool      `json:"trusted,omitempty"`
	KeyID    string    `json:"keyID,omitempty"`
	SHA256   string    `json:"sha256"`
	NotAfter time.Time `json:"notAfter"`
}
