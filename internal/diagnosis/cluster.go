package diagnosis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"
)

// The names of checks of the cluster.
const (
	NameKubernetes   = "Kubernetes"
	NameDefinitions  = "definitions"
	NameTrustBundles = "ClusterTrustBundles"
	NameNodes        = "nodes"
	NamePolicies     = "admission policies"
)

// oldest is the oldest version of Kubernetes that the CustomResourceDefinitions support.
var oldest = version.MustParseGeneric("1.28")

// Kubernetes judges the version of the API server.
func Kubernetes(served string) Check {
	parsed, err := version.ParseGeneric(served)
	switch {
	case err != nil:
		return about(NameKubernetes, "", Unknown, "the version %q cannot be read", served)
	case parsed.LessThan(oldest):
		return about(NameKubernetes, "", Fail, "%s is too old; upgrade Kubernetes to %s or later", served, oldest)
	}
	return about(NameKubernetes, "", Pass, "%s", served)
}

// Definition is a CustomResourceDefinition as the API server serves it.
type Definition struct {
	Kind, Version string
	// Optional reports that the operator runs without it.
	Optional bool
	Served   bool
	// Missing are the fields that the API server drops.
	Missing []string
}

// Installed judges a definition of an installed operator.
func (d Definition) Installed() Check {
	switch {
	case !d.Served && d.Optional:
		return about(NameDefinitions, d.Kind, Skip, "not installed, so %ss are ignored", d.Kind)
	case !d.Served:
		return about(NameDefinitions, d.Kind, Fail, "not installed; install the chart with crds.enabled=true")
	case len(d.Missing) > 0:
		return about(NameDefinitions, d.Kind, Fail, "older than this program, so the API server drops the fields %s; upgrade the CustomResourceDefinition", joined(d.Missing))
	}
	return about(NameDefinitions, d.Kind, Pass, "%s, all fields are served", d.Version)
}

// BeforeInstallation judges a definition before an installation.
func (d Definition) BeforeInstallation() Check {
	switch {
	case !d.Served:
		return about(NameDefinitions, d.Kind, Pass, "not installed yet")
	case len(d.Missing) > 0:
		return about(NameDefinitions, d.Kind, Warn, "there is another one without the fields %s, of cert-manager's trust-manager or an older version; "+
			"upgrade that release in place (docs/guide/moving.md)", joined(d.Missing))
	}
	return about(NameDefinitions, d.Kind, Pass, "%s is already installed", d.Version)
}

// TrustBundles judges in which versions ClusterTrustBundles are served, given the bundles that have
// such a source or target.
func TrustBundles(versions, users []string) Check {
	switch {
	case len(versions) > 0:
		return about(NameTrustBundles, "", Pass, "served as %s", strings.Join(versions, ", "))
	case len(users) > 0:
		return about(NameTrustBundles, "", Fail, "not served, but used by %s; Kubernetes 1.37 serves them by default, earlier versions need a feature gate", joined(users))
	}
	return about(NameTrustBundles, "", Skip, "not served; Kubernetes 1.37 serves them by default, earlier versions need a feature gate")
}

// The first minor versions of Kubernetes 1 whose kubelet can project ClusterTrustBundles: with a
// feature gate, from v1beta1, and by default.
const (
	projectionAlpha = 29
	projectionBeta  = 33
	projectionGA    = 37
)

// Nodes judges, for each minor version of kubelets, whether pods can mount ClusterTrustBundles. The
// versions are those of the kubelets, and the versions in which ClusterTrustBundles are served.
func Nodes(kubelets, served, users []string) (checks []Check) {
	counts := map[uint]int{}
	for _, kubelet := range kubelets {
		if parsed, err := version.ParseGeneric(kubelet); err == nil {
			counts[parsed.Minor()]++
		}
	}
	minors := make([]uint, 0, len(counts))
	for minor := range counts {
		minors = append(minors, minor)
	}
	slices.SortFunc(minors, func(a, b uint) int { return cmp.Compare(b, a) })
	for _, minor := range minors {
		check := node(minor, served)
		check.Name, check.Subject = NameNodes, fmt.Sprintf("kubelet 1.%d (%d)", minor, counts[minor])
		if check.Status == Warn && len(users) == 0 {
			check.Status = Skip // it matters only for ClusterTrustBundles
		}
		checks = append(checks, check)
	}
	return checks
}

// node judges kubelets of one minor version.
func node(minor uint, served []string) Check {
	const gate = "needs the feature gate ClusterTrustBundleProjection"
	readable := []string{"v1", "v1beta1", "v1alpha1"} // as the kubelet looks for them
	switch {
	case minor < projectionAlpha:
		return about("", "", Warn, "cannot mount ClusterTrustBundles; use ConfigMaps, or upgrade the nodes to 1.%d", projectionGA)
	case minor < projectionBeta:
		readable = readable[2:]
	case minor < projectionGA:
		readable = readable[1:]
	}
	var version string
	for _, candidate := range readable {
		if version == "" && slices.Contains(served, candidate) {
			version = candidate
		}
	}
	switch {
	case version == "":
		return about("", "", Warn, "cannot mount ClusterTrustBundles: this kubelet looks for %s, which the API server does not serve; use ConfigMaps, or upgrade to 1.%d",
			strings.Join(readable, ", "), projectionGA)
	case minor < projectionGA:
		return about("", "", Warn, "mounting ClusterTrustBundles (%s) %s, which is off by default", version, gate)
	}
	return about("", "", Pass, "mounts ClusterTrustBundles (%s) by default", version)
}

// Policy judges in which versions a kind of admission policies is served. They are served by
// default from a minor version of Kubernetes 1 on.
func Policy(kind string, versions []string, since int) Check {
	if len(versions) == 0 {
		return about(NamePolicies, kind, Skip, "not served; Kubernetes 1.%d serves them by default", since)
	}
	return about(NamePolicies, kind, Pass, "served as %s", strings.Join(versions, ", "))
}
