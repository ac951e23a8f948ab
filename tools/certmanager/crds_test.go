package main

import (
	"bytes"
	"errors"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The definitions are those of the modules that this binary was built with.
func TestCRDs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := dispatch(t.Context(), []string{"crds"}, &out); err != nil {
		t.Fatal(err)
	}
	names := definitions(t, out.Bytes())
	for _, want := range []string{
		"certificates.cert-manager.io", "certificaterequests.cert-manager.io", "issuers.cert-manager.io", "clusterissuers.cert-manager.io",
		"certificaterequestpolicies.policy.cert-manager.io", "servicemonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %q", want, names)
		}
	}
}

func TestCRDsOfOneProject(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := dispatch(t.Context(), []string{"crds", "--only", "approver-policy"}, &out); err != nil {
		t.Fatal(err)
	}
	want := []string{"certificaterequestpolicies.policy.cert-manager.io"}
	if difference := cmp.Diff(want, definitions(t, out.Bytes())); difference != "" {
		t.Error(difference)
	}
	if err := dispatch(t.Context(), []string{"crds", "--only", "istio"}, &out); err == nil {
		t.Error("an unknown project is accepted")
	}
}

// A module with another checksum than the one this binary was built with is
// rejected.
func TestModuleFolder(t *testing.T) {
	t.Parallel()
	build, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("no build information")
	}
	pin, err := pinned(build, neighbours[0].module)
	if err != nil {
		t.Fatal(err)
	}
	other := *pin
	other.Sum = "h1:other"
	if _, err := moduleFolder(t.Context(), &other); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("another checksum: %v", err)
	}
	if _, err := pinned(build, "example.com/none"); err == nil {
		t.Error("a module that is not linked in: got no error")
	}
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"nothing": nil, "an unknown command": {"flux"}, "no kubeconfig": {"cert-manager"},
		"an argument": {"approver-policy", "--kubeconfig", "file", "more"}, "an unknown flag": {"crds", "--all"},
	} {
		if err := dispatch(t.Context(), args, &bytes.Buffer{}); !errors.Is(err, errUsage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// definitions returns the names of the custom resource definitions in text, which
// may contain nothing else.
func definitions(t *testing.T, text []byte) (names []string) {
	t.Helper()
	objects, err := parseObjects(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if object.GetKind() != "CustomResourceDefinition" {
			t.Errorf("unexpected %s %s", object.GetKind(), object.GetName())
		}
		names = append(names, object.GetName())
	}
	return names
}
