package helm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Helm is the Helm command of a checkout.
type Helm struct {
	// Chart is the directory of the chart.
	Chart string

	binary, home string
}

// New returns the command in bin/ of the checkout at root. Helm keeps its state in the
// directory home.
func New(root, home string) (*Helm, error) {
	h := &Helm{Chart: filepath.Join(root, "deploy", "charts", "trust-manager"), binary: filepath.Join(root, "bin", "helm"), home: home}
	if _, err := os.Stat(h.binary); err != nil {
		return nil, errors.New("bin/helm is missing: run `make test-integration`, which builds it")
	}
	return h, nil
}

// Run runs Helm and returns its output. An error contains Helm's message.
func (h *Helm) Run(ctx context.Context, args ...string) (string, error) {
	return h.output(exec.CommandContext(ctx, h.binary, args...))
}

// output runs a command without the user's settings of Helm.
func (h *Helm) output(command *exec.Cmd) (string, error) {
	command.Env = append(os.Environ(), "HELM_CONFIG_HOME="+h.home, "HELM_DATA_HOME="+h.home, "HELM_CACHE_HOME="+h.home,
		"HELM_NAMESPACE=", "KUBECONFIG="+os.DevNull)
	var out, fault bytes.Buffer
	command.Stdout, command.Stderr = &out, &fault
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(command.Path), command.Args[1], err, strings.TrimSpace(fault.String()))
	}
	return out.String(), nil
}

// Template renders the chart without access to a cluster.
func (h *Helm) Template(ctx context.Context, release, namespace string, args ...string) (Objects, error) {
	text, err := h.Run(ctx, append([]string{"template", release, h.Chart, "--namespace", namespace}, args...)...)
	if err != nil {
		return nil, err
	}
	return Parse(text)
}

// Manifest renders the chart as install.yaml, the manifest of a release for `kubectl apply`.
func (h *Helm) Manifest(ctx context.Context) (string, error) {
	script, err := filepath.Abs(filepath.Join(filepath.Dir(h.binary), "..", "hack", "install.sh"))
	if err != nil {
		return "", err
	}
	return h.output(exec.CommandContext(ctx, script, h.Chart))
}

// Objects are the objects of a rendered chart, in its order.
type Objects []*unstructured.Unstructured

// Parse reads manifests.
func Parse(text string) (Objects, error) {
	var all Objects
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("%w in:\n%s", err, text)
		}
		if len(object.Object) > 0 { // otherwise the document contains only comments
			all = append(all, object)
		}
	}
}

// Package packages the chart, with this version of the chart and its images, into a
// directory, and returns the path of the package.
func (h *Helm) Package(ctx context.Context, version, folder string) (path string, err error) {
	_, err = h.Run(ctx, "package", h.Chart, "--version", version, "--app-version", version, "--destination", folder)
	return filepath.Join(folder, filepath.Base(h.Chart)+"-"+version+".tgz"), err
}
