package plan

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"trust-manager.io/internal/text"
)

// maxNamed is how many namespaces or servers an obstacle names.
const maxNamed = 5

// phases returns why the old CA must not be removed yet. The obstacles of a phase can be resolved
// together, and only after those of the phases before it: a server that has a certificate of the new CA
// before every client trusts it fails.
func (r Rotation) phases(serving, untraced []string) [][]string {
	phases := [][]string{r.invalid(), r.bundles(lacksNew), r.bundles(lacksContent), r.pods()}
	isEarly := slices.ContainsFunc(phases, func(phase []string) bool { return len(phase) > 0 })
	return append(phases, r.servers(serving, untraced, isEarly))
}

// invalid returns why software does not accept the new CA now.
func (r Rotation) invalid() (list []string) {
	parsed, err := x509.ParseCertificate(r.To.DER)
	switch {
	case err != nil:
		list = append(list, "the new CA does not conform to RFC 5280, and software in Go does not accept it: "+text.Printable(err.Error()))
	case r.Now.Before(parsed.NotBefore):
		list = append(list, "the new CA is not valid before "+parsed.NotBefore.UTC().Format(time.RFC3339))
	}
	if r.Now.After(r.To.NotAfter) {
		list = append(list, "the new CA has expired")
	}
	return list
}

// bundles returns an obstacle of each bundle that has it.
func (r Rotation) bundles(obstacle func(Bundle) string) (list []string) {
	for _, b := range r.Bundles {
		if detail := obstacle(b); detail != "" {
			list = append(list, detail)
		}
	}
	return list
}

// lacksNew returns why a bundle does not have the new CA.
func lacksNew(b Bundle) string {
	switch {
	case b.HasNew:
		return ""
	case b.NewLeftOut != "":
		return fmt.Sprintf("%s has the old CA and would leave the new one out: %s; change %s of %s", b.ID, b.NewLeftOut, b.NewLeftOutField, b.ID)
	}
	return fmt.Sprintf("%s has the old CA and not the new one; apply the manifest", b.ID)
}

// lacksContent returns which targets of a bundle do not have its content.
func lacksContent(b Bundle) string {
	if !b.HasNew || len(b.Lacking) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %s without the new content yet: %s", b.ID, text.Count(len(b.Lacking), "namespace"), firstOf(b.Lacking))
}

// pods returns the obstacles of the software that trusts the bundles.
func (r Rotation) pods() (list []string) {
	if r.StalePods > 0 {
		list = append(list, text.Count(r.StalePods, "pod")+" started before the bundle last changed; restart their workloads, unless they read the file again")
	}
	return append(list, r.UnknownPods...)
}

// servers returns the obstacles of the software that has certificates of the old CA. If it is early,
// clients do not trust the new CA yet.
func (r Rotation) servers(serving, untraced []string, isEarly bool) (list []string) {
	if len(serving) > 0 {
		detail := fmt.Sprintf("%s with a certificate of the old CA: %s; reissue it from the new CA", text.Count(len(serving), "server"), firstOf(serving))
		if isEarly {
			detail += ", but only after the steps above: until every bundle, namespace and pod has the new CA, clients refuse its certificates"
		}
		list = append(list, detail)
	}
	if len(untraced) > 0 {
		list = append(list, fmt.Sprintf("%s with a certificate of an unknown issuer, which the old CA may have issued: %s; add the missing CA certificates to tls.crt or ca.crt, or give the default CA package with --default-package",
			text.Count(len(untraced), "server"), firstOf(untraced)))
	}
	return append(list, r.UnknownServers...)
}

// notices returns what of the old CA stays trusted after its removal.
func (r Rotation) notices() (list []string) {
	for _, twin := range r.Twins {
		list = append(list, fmt.Sprintf("%s also trusts another certificate with the name and key of the old CA (SHA-256 %s); exclude it as well", twin.Bundle, twin.SHA256))
	}
	return list
}

// firstOf joins the first few names.
func firstOf(names []string) string {
	names = slices.Clone(names)
	if more := len(names) - maxNamed; more > 0 {
		names = append(names[:maxNamed], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
