package cli

import (
	"cmp"
	"fmt"
	"io"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
	"trust-manager.io/internal/plan"
	"trust-manager.io/internal/survey"
	"trust-manager.io/internal/text"
)

// rotationPlan is the result of rotate plan.
type rotationPlan struct {
	From certificateDetails `json:"from"`
	To   certificateDetails `json:"to"`
	Step plan.Step          `json:"step"`
	// Safe reports whether the old CA can be removed.
	Safe bool `json:"safe"`
	// Obstacles are in the order in which they have to be resolved. The first ObstaclesNow of them can
	// be resolved now.
	Obstacles    []string     `json:"obstacles,omitempty"`
	ObstaclesNow int          `json:"obstaclesNow"`
	Notices      []string     `json:"notices,omitempty"`
	Bundles      []planBundle `json:"bundles"`
	Serving      []string     `json:"serving,omitempty"`
	Servers      int          `json:"serversChecked"`
	Pods         []usingPod   `json:"pods,omitempty"`
	// Manifests are the objects to apply next.
	Manifests []map[string]any `json:"manifests,omitempty"`
	// flags are those that the user has given, for the next command.
	flags string
}

// planBundle is a bundle that has the old CA.
type planBundle struct {
	Bundle     string   `json:"bundle"`
	HasNew     bool     `json:"hasNew"`
	Namespaces int      `json:"namespaces"`
	Lacking    []string `json:"lacking,omitempty"`
}

// newRotationPlan returns what is printed.
func newRotationPlan(rotation plan.Rotation, decided plan.Result, pods []usingPod, definitions []survey.Definition) (*rotationPlan, error) {
	result := &rotationPlan{
		From: detailsOf(&rotation.From), To: detailsOf(&rotation.To), Step: decided.Step, Bundles: []planBundle{},
		Safe:      decided.Step == plan.Remove || decided.Step == plan.Done && len(decided.Obstacles) == 0,
		Obstacles: decided.Obstacles, ObstaclesNow: decided.Now, Notices: decided.Notices,
		Serving: decided.Serving, Servers: len(rotation.Servers), Pods: pods,
	}
	for i, b := range rotation.Bundles {
		result.Bundles = append(result.Bundles, planBundle{Bundle: b.ID.String(), HasNew: b.HasNew, Namespaces: b.Namespaces, Lacking: b.Lacking})
		var manifest client.Object
		switch {
		case decided.Step == plan.Add && b.NeedsManifest():
			manifest = apis.WithCertificate(definitions[i].Object, string(encode.PEM([]certs.Certificate{rotation.To})))
		case decided.Step == plan.Remove:
			manifest = apis.WithExclusion(definitions[i].Object, rotation.From.SHA256(), "replaced by "+rotation.To.SHA256())
		default:
			continue
		}
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(manifest)
		if err != nil {
			return nil, err
		}
		result.Manifests = append(result.Manifests, fields)
	}
	return result, nil
}

// printManifests writes the manifests of a plan as YAML.
func printManifests(out io.Writer, manifests []map[string]any) error {
	var printer printers.YAMLPrinter
	for _, manifest := range manifests {
		if err := printer.PrintObj(&unstructured.Unstructured{Object: manifest}, out); err != nil {
			return err
		}
	}
	return nil
}

// Kind implements [document].
func (*rotationPlan) Kind() string { return "RotationPlan" }

// Table implements [document].
func (p *rotationPlan) Table(page *page) {
	p.report(page)
	if len(p.Manifests) > 0 {
		page.printf("To apply next: kubectl trust rotate plan %s -o %s >next.yaml", p.flags, outputManifests)
	}
}

// report writes all but what to apply.
func (p *rotationPlan) report(page *page) {
	page.printf("From %s (SHA-256 %s)", p.From.Subject, p.From.SHA256)
	page.printf("To   %s (SHA-256 %s)", p.To.Subject, p.To.SHA256)
	switch verdict := map[plan.Step]string{
		plan.Add:    "not safe yet: add the new CA first",
		plan.Wait:   "not safe yet: the old CA is still needed",
		plan.Remove: "safe: nothing that was checked needs the old CA",
		plan.Done:   "done: no bundle has the old CA",
	}[p.Step]; {
	case p.Safe:
		page.printf("%s", page.paint(green, verdict))
	case p.Step == plan.Done:
		page.printf("%s", page.paint(yellow, "no bundle has the old CA, but it may still be needed"))
	default:
		page.printf("%s", page.paint(yellow, verdict))
	}
	for i, obstacle := range p.Obstacles {
		when := "now"
		if i >= p.ObstaclesNow {
			when = "then"
		}
		page.printf("  %s. %s: %s", strconv.Itoa(i+1), when, obstacle)
	}
	for _, notice := range p.Notices {
		page.printf("%s: %s", page.paint(yellow, "note"), notice)
	}
	var rows, pods [][]string
	for _, b := range p.Bundles {
		rows = append(rows, []string{b.Bundle, map[bool]string{true: "yes", false: "no"}[b.HasNew], strconv.Itoa(b.Namespaces), strconv.Itoa(len(b.Lacking))})
	}
	page.table([]string{"BUNDLE WITH THE OLD CA", "HAS THE NEW ONE", "NAMESPACES", "NOT UP TO DATE"}, rows)
	for _, pod := range p.Pods {
		pods = append(pods, []string{pod.Namespace, pod.Name, cmp.Or(pod.Owner, "-"), string(pod.Reason)})
	}
	page.table([]string{"RESTART: NAMESPACE", "POD", "OWNER", "REASON"}, pods)
	page.printf("%s", p.checked())
}

// checked returns how many servers were checked.
func (p *rotationPlan) checked() string {
	switch {
	case p.Servers == 0:
		return "no server was checked"
	case p.Servers == 1 && len(p.Serving) == 1:
		return "1 server was checked, and it uses the old CA"
	case p.Servers == 1:
		return "1 server was checked, and it does not use the old CA"
	case len(p.Serving) == 0:
		return text.Count(p.Servers, "server") + " were checked, and none of them uses the old CA"
	case len(p.Serving) == 1:
		return text.Count(p.Servers, "server") + " were checked, and 1 of them uses the old CA"
	}
	return fmt.Sprintf("%s were checked, and %d of them use the old CA", text.Count(p.Servers, "server"), len(p.Serving))
}
