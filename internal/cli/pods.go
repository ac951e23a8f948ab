package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/survey"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/usage"
)

// pageSize is how many objects are requested at a time from lists that can be long.
const pageSize = 500

// pods finds the pods that use a bundle.
type pods struct {
	streams genericiooptions.IOStreams
	clock   clock.PassiveClock
	cluster *clusterFlags
	// all searches all namespaces, even if --namespace is given, as in kubectl.
	all    bool
	stale  bool
	output string
}

// podList is the result of pods.
type podList struct {
	Bundle string `json:"bundle"`
	// LastChanged is when the bundle last changed. Without it, it is unknown which pods are stale.
	LastChanged *metav1.Time `json:"lastChanged,omitempty"`
	Pods        []usingPod   `json:"pods"`
	now         metav1.Time
	// scope describes which pods were searched, for a message.
	scope string
}

// usingPod is a pod that uses the bundle.
type usingPod struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Node      string `json:"node,omitempty"`
	// Owner is the controller of the pod, such as Deployment/api.
	Owner string   `json:"owner,omitempty"`
	Uses  []podUse `json:"uses"`
	// StartedAt is when the first container that uses the bundle started.
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	Stale     *bool        `json:"stale,omitempty"`
	Reason    usage.Reason `json:"reason,omitempty"`
}

// podUse is how one container uses the bundle.
type podUse struct {
	Container string       `json:"container"`
	Kind      string       `json:"kind"`
	Name      string       `json:"name"`
	Way       usage.Way    `json:"way"`
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	Reason    usage.Reason `json:"reason,omitempty"`
}

func podsCommand(streams genericiooptions.IOStreams, clock clock.PassiveClock) *cobra.Command {
	p := &pods{streams: streams, clock: clock, cluster: newClusterFlags()}
	command := &cobra.Command{
		Use:   "pods BUNDLE",
		Short: "List the pods that use a bundle, and those that may still use its previous content",
		Long: `List the pods that use a bundle, and those that may still use its previous content: they started
before its status.lastChanged, or before the operator last wrote the object that they use. BUNDLE is a
name, bundle/NAME or clusterbundle/NAME. The pods of all namespaces are searched unless --namespace
names one.

Reasons why a pod is stale:
  mayNotReload   The kubelet has updated the file, but most programs read it only when they start.
  neverUpdated   Variables and subPath mounts keep their content until the container restarts.

The exit status is 1 if a pod is stale.

Rights: list for Pods, Bundles, ClusterBundles and the kinds of the targets of the bundle, such as
ConfigMaps.`,
		Example: `  kubectl trust pods corporate
  kubectl trust pods clusterbundle/corporate --stale -n team-a`,
		Args:                  oneArg("the name of a bundle"),
		DisableFlagsInUseLine: true,
		RunE:                  func(command *cobra.Command, args []string) error { return p.run(command.Context(), args[0]) },
	}
	command.ValidArgsFunction = p.cluster.completeBundles(nil)
	p.cluster.addConnection(command)
	command.Flags().BoolVarP(&p.all, "all-namespaces", "A", false, "search the pods of all namespaces; this is the default")
	command.Flags().BoolVar(&p.stale, "stale", false, "list only stale pods")
	addOutput(command, &p.output, outputTable, outputJSON, outputYAML)
	return command
}

func (p *pods) run(ctx context.Context, argument string) error {
	if err := checkOutput(p.output, outputTable, outputJSON, outputYAML); err != nil {
		return err
	}
	connected, err := p.cluster.connect()
	if err != nil {
		return err
	}
	cluster := p.cluster.survey(connected, nil, p.clock)
	definition, err := activeDefinition(ctx, cluster, argument)
	if err != nil {
		return err
	}
	objects, changed, err := usedObjects(ctx, cluster, definition)
	if err != nil {
		return err
	}
	result := &podList{Bundle: definition.Spec.ID.String(), LastChanged: changed.bundle, Pods: []usingPod{}, now: metav1.NewTime(p.clock.Now())}
	if result.Pods, err = p.list(ctx, connected, objects, changed); err != nil {
		return err
	}
	result.scope = p.scope()
	if err := printDocument(p.streams, p.output, result); err != nil {
		return err
	}
	if result.LastChanged == nil {
		warnf(p.streams.ErrOut, "%s has no status.lastChanged, so it is unknown which pods are stale", result.Bundle)
	}
	if slices.ContainsFunc(result.Pods, func(pod usingPod) bool { return pod.Reason != "" }) {
		return errFinding
	}
	return nil
}

// namespace returns the namespace whose pods are searched; empty for all.
func (p *pods) namespace() string {
	if p.all || p.cluster.Namespace == nil {
		return ""
	}
	return *p.cluster.Namespace
}

// scope describes which pods are listed.
func (p *pods) scope() string {
	scope := "pods"
	if p.stale {
		scope = "stale pods"
	}
	if namespace := p.namespace(); namespace != "" {
		scope += " in namespace " + namespace
	}
	return scope
}

// list returns the pods that use one of the objects.
func (p *pods) list(ctx context.Context, reader client.Reader, objects []usage.Object, changed changes) ([]usingPod, error) {
	list := []usingPod{}
	err := eachPage(ctx, reader, &corev1.PodList{}, func(page *corev1.PodList) {
		for i := range page.Items {
			pod := &page.Items[i]
			if usage.HasEnded(pod) {
				continue
			}
			if uses := usage.Of(pod, objects); len(uses) > 0 {
				using := newUsingPod(pod, uses, changed)
				if using.Reason != "" || !p.stale {
					list = append(list, using)
				}
			}
		}
	}, client.InNamespace(p.namespace()))
	if err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	return list, nil
}

// eachPage lists objects in pages, and calls a function with each page.
func eachPage[list client.ObjectList](ctx context.Context, reader client.Reader, page list, visit func(list), options ...client.ListOption) error {
	options = append(options, client.Limit(pageSize))
	for {
		if err := reader.List(ctx, page, append(options, client.Continue(page.GetContinue()))...); err != nil {
			return err
		}
		visit(page)
		if page.GetContinue() == "" {
			return nil
		}
	}
}

// changes are when the content of a bundle changed.
type changes struct {
	// bundle is its status.lastChanged; nil if that is unknown.
	bundle *metav1.Time
	// written is when the operator last wrote each target, as far as its metadata say.
	written map[target.Ref]metav1.Time
}

// of returns when the content that a pod of a namespace uses changed, or nil if that is unknown. The
// targets are written after the bundle has changed.
func (c changes) of(namespace string, use usage.Use) *metav1.Time {
	ref := target.Ref{Kind: use.Kind, Namespace: namespace, Name: use.Name}
	if target.TypeOf(use.Kind).ClusterScoped {
		ref.Namespace = ""
	}
	if written, ok := c.written[ref]; ok && c.bundle != nil && c.bundle.Before(&written) {
		return &written
	}
	return c.bundle
}

// lastWritten returns when the operator last wrote an object; ok is false if that is unknown.
func lastWritten(meta metav1.ObjectMeta) (at metav1.Time, ok bool) {
	for _, entry := range meta.ManagedFields {
		if entry.Manager == target.FieldManager && entry.Time != nil && at.Before(entry.Time) {
			at, ok = *entry.Time, true
		}
	}
	return at, ok
}

// newUsingPod describes a pod that uses a bundle.
func newUsingPod(pod *corev1.Pod, uses []usage.Use, changed changes) usingPod {
	using := usingPod{Namespace: pod.Namespace, Name: pod.Name, Node: pod.Spec.NodeName, Owner: usage.Owner(pod)}
	for _, use := range uses {
		printed := podUse{Container: use.Container, Kind: use.Kind.String(), Name: use.Name, Way: use.Way, StartedAt: use.Started}
		if use.Started != nil && (using.StartedAt == nil || use.Started.Before(using.StartedAt)) {
			using.StartedAt = use.Started
		}
		if at := changed.of(pod.Namespace, use); at != nil {
			printed.Reason, _ = use.Stale(*at)
		}
		using.Reason = worse(using.Reason, printed.Reason)
		using.Uses = append(using.Uses, printed)
	}
	if changed.bundle != nil {
		isStale := using.Reason != ""
		using.Stale = &isStale
	}
	return using
}

// worse returns the reason that leaves a container with the previous content for longer.
func worse(a, b usage.Reason) usage.Reason {
	if a == usage.NeverUpdated || b == "" {
		return a
	}
	return b
}

// activeDefinition returns the definition of the bundle that an argument names: NAME or KIND/NAME.
// If a Bundle and a ClusterBundle have the name, it is the one that writes the targets.
func activeDefinition(ctx context.Context, cluster *survey.Cluster, argument string) (*survey.Definition, error) {
	kind, name, hasKind := objectOf(argument)
	if !hasKind {
		kind, name = "", argument
	}
	definitions, err := cluster.Definitions(ctx)
	if err != nil {
		return nil, err
	}
	var found []*survey.Definition
	for i := range definitions {
		if id := definitions[i].Spec.ID; id.Name == name && (kind == "" || id.Kind.String() == kind) {
			found = append(found, &definitions[i])
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s does not exist", strings.TrimSpace(cmp.Or(kind, "bundle")+" "+name))
	}
	for _, definition := range found {
		if !survey.IsSuperseded(*definition) {
			return definition, nil
		}
	}
	return found[0], nil
}

// usedObjects returns the targets of a bundle, as pods refer to them, and when their content changed.
func usedObjects(ctx context.Context, cluster *survey.Cluster, definition *survey.Definition) (objects []usage.Object, changed changes, err error) {
	if len(definition.Spec.Targets) == 0 {
		return nil, changes{}, fmt.Errorf("%s has no target, so no pod can use it", definition.Spec.ID)
	}
	targets, err := cluster.TargetsOf(ctx, definition.Spec)
	if err != nil {
		return nil, changes{}, err
	}
	changed = changes{bundle: survey.ReportOf(*definition).LastChanged, written: map[target.Ref]metav1.Time{}}
	for _, t := range targets {
		if at, ok := lastWritten(t.Meta); ok {
			changed.written[t.Ref] = at
		}
	}
	for _, wanted := range definition.Spec.Targets {
		object := usage.Object{Kind: wanted.Kind, Name: bundle.ObjectName(wanted.Signer, definition.Spec.ID.Name), Signer: wanted.Signer}
		for _, file := range wanted.Files {
			if file.Format == bundle.HashedDirectory {
				object.Hashed = true
				continue
			}
			object.Keys = append(object.Keys, file.Key)
		}
		for _, t := range targets {
			if wanted.Signer != "" && t.Kind == wanted.Kind && t.Name == object.Name { // pods may select it by its labels
				object.Labels = t.Meta.Labels
			}
		}
		objects = append(objects, object)
	}
	return objects, changed, nil
}

// Kind implements [document].
func (*podList) Kind() string { return "Pods" }

// Table implements [document].
func (l *podList) Table(page *page) {
	if len(l.Pods) == 0 {
		page.printf("no %s use %s", l.scope, l.Bundle)
		return
	}
	var rows [][]string
	for _, pod := range l.Pods {
		var ways []string
		for _, use := range pod.Uses {
			way := use.Kind + " " + string(use.Way)
			if !slices.Contains(ways, way) {
				ways = append(ways, way)
			}
		}
		age, stale := "not started", cmp.Or(string(pod.Reason), "no")
		if pod.StartedAt != nil {
			age = duration.HumanDuration(l.now.Sub(pod.StartedAt.Time))
		}
		if l.LastChanged == nil {
			stale = "unknown"
		}
		rows = append(rows, []string{pod.Namespace, pod.Name, cmp.Or(pod.Owner, "-"), cmp.Or(pod.Node, "-"), strings.Join(ways, ", "), age, stale})
	}
	page.table([]string{"NAMESPACE", "POD", "OWNER", "NODE", "USE", "STARTED", "STALE"}, rows)
}
