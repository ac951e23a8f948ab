package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/util/csaupgrade"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/request"
	"trust-manager.io/internal/survey"
	"trust-manager.io/internal/target"
)

const (
	// parallelRequests is how many requests are sent at a time.
	parallelRequests = 8
	// handbackAttempts is how often a target is read again after a conflict.
	handbackAttempts = 3
)

// handback prepares targets for cert-manager's trust-manager.
type handback struct {
	streams genericiooptions.IOStreams
	clock   clock.PassiveClock
	cluster *clusterFlags
	dryRun  bool
	output  string
}

// handbackResult is what happened to one target.
type handbackResult string

// The results.
const (
	handedBack handbackResult = "handedBack"
	// toHandBack is the result of a dry run for a target that would be handed back.
	toHandBack handbackResult = "toHandBack"
	// unchangedTarget: the target has no entry of operation Update.
	unchangedTarget handbackResult = "unchanged"
	failedTarget    handbackResult = "failed"
)

// handedTargets is the result of handback.
type handedTargets struct {
	DryRun  bool           `json:"dryRun"`
	Targets []handedTarget `json:"targets"`
}

// handedTarget is one target.
type handedTarget struct {
	Bundle    string         `json:"bundle"`
	Kind      string         `json:"kind"`
	Namespace string         `json:"namespace"`
	Result    handbackResult `json:"result"`
	Error     string         `json:"error,omitempty"`
}

func handbackCommand(streams genericiooptions.IOStreams, clock clock.PassiveClock) *cobra.Command {
	h := &handback{streams: streams, clock: clock, cluster: newClusterFlags()}
	command := &cobra.Command{
		Use:   "handback",
		Short: "Prepare the targets of Bundles for cert-manager's trust-manager",
		Long: `Prepare the targets of Bundles for cert-manager's trust-manager, from version 0.20, which only removes
what it has applied: in the managedFields of each ConfigMap and Secret, the entry of the field manager
trust-manager becomes one of operation Apply. The content is not changed. A second run changes nothing.

Targets of ClusterBundles, and ClusterTrustBundles, are left alone: the other operator does not have
them. With --namespace, only the targets of that namespace are prepared.

No trust-manager may run meanwhile, since it would write new entries: scale it to 0 first.

The exit status is 1 if a target cannot be changed. The others are changed.

Rights: list for Bundles, Deployments and Leases; list and patch for ConfigMaps and, if Bundles have
such targets, Secrets.`,
		Example: `  kubectl scale -n cert-manager deployment trust-manager --replicas=0
  kubectl trust handback --dry-run
  kubectl trust handback`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE:                  func(command *cobra.Command, _ []string) error { return h.run(command.Context()) },
	}
	h.cluster.addConnection(command)
	command.Flags().BoolVar(&h.dryRun, "dry-run", false, "show what would be changed, and change nothing")
	addOutput(command, &h.output, outputTable, outputJSON, outputYAML)
	return command
}

func (h *handback) run(ctx context.Context) error {
	if err := checkOutput(h.output, outputTable, outputJSON, outputYAML); err != nil {
		return err
	}
	connected, err := h.cluster.connect()
	if err != nil {
		return err
	}
	if !h.dryRun {
		if err := h.refuseWhileRunning(ctx, connected); err != nil {
			return err
		}
	}
	targets, err := h.targets(ctx, connected)
	if err != nil {
		return err
	}
	result := &handedTargets{DryRun: h.dryRun, Targets: make([]handedTarget, len(targets))}
	shown := progress(h.streams, "target")
	inParallel(len(targets), func(i int) {
		result.Targets[i] = h.handBack(ctx, connected, targets[i])
	}, shown)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := printDocument(h.streams, h.output, result); err != nil {
		return err
	}
	if slices.ContainsFunc(result.Targets, func(t handedTarget) bool { return t.Result == failedTarget }) {
		return errFinding
	}
	return nil
}

// inParallel calls a function for each index, several at a time, and reports the progress.
func inParallel(count int, call func(int), progress func(done, total int)) {
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		done  int
	)
	indexes := make(chan int)
	for range min(count, parallelRequests) {
		group.Go(func() {
			for i := range indexes {
				call(i)
				mu.Lock()
				progress(done, count)
				done++
				mu.Unlock()
			}
		})
	}
	for i := range count {
		indexes <- i
	}
	close(indexes)
	group.Wait()
}

// refuseWhileRunning returns an error while a trust-manager runs.
func (h *handback) refuseWhileRunning(ctx context.Context, reader client.Reader) error {
	found, err := installations(ctx, reader)
	if err != nil {
		return err
	}
	for i := range found {
		if found[i].replicas() > 0 || found[i].Status.Replicas > 0 {
			return fmt.Errorf("%s has replicas, which would write to the targets again; scale it to 0 first: kubectl scale -n %s deployment %s --replicas=0",
				&found[i], found[i].Namespace, found[i].Name)
		}
	}
	lease, isHeld, err := heldLease(ctx, reader, h.clock.Now())
	if err == nil && isHeld {
		err = fmt.Errorf("a trust-manager runs: %q holds the Lease %s/%s; stop it first, or wait until it has ended", *lease.Spec.HolderIdentity, lease.Namespace, lease.Name)
	}
	return err
}

// targets returns the ConfigMaps and Secrets that are targets of Bundles. Secrets are only listed if
// a Bundle has such a target, since that needs more rights.
func (h *handback) targets(ctx context.Context, connected *connection) (all []survey.Target, err error) {
	cluster := h.cluster.survey(connected, nil, h.clock)
	definitions, err := cluster.Definitions(ctx)
	if err != nil {
		return nil, err
	}
	kinds := []bundle.Kind{bundle.ConfigMap}
	if slices.ContainsFunc(definitions, func(d survey.Definition) bool {
		return d.Spec.ID.Kind == bundle.APIBundle && d.Spec.HasTarget(bundle.Secret)
	}) {
		kinds = append(kinds, bundle.Secret)
	}
	for _, kind := range kinds {
		targets, err := cluster.Targets(ctx, apis.Bundle{}.Marks(), kind)
		if err != nil {
			return nil, err
		}
		all = append(all, targets...)
	}
	if namespace := h.cluster.givenNamespace(); namespace != "" {
		all = slices.DeleteFunc(all, func(t survey.Target) bool { return t.Namespace != namespace })
	}
	slices.SortStableFunc(all, func(a, b survey.Target) int { return cmp.Compare(a.Bundle.Name, b.Bundle.Name) })
	return all, nil
}

// handBack hands one target back.
func (h *handback) handBack(ctx context.Context, api client.Client, of survey.Target) handedTarget {
	handed := handedTarget{Bundle: of.Bundle.Name, Kind: of.Kind.String(), Namespace: of.Namespace}
	object := &metav1.PartialObjectMetadata{ObjectMeta: of.Meta}
	object.SetGroupVersionKind(target.TypeOf(of.Kind).GVK)
	var err error
	handed.Result, err = h.upgrade(ctx, api, object)
	for attempt := 1; attempt < handbackAttempts && apierrors.IsConflict(err); attempt++ {
		if err = api.Get(ctx, client.ObjectKeyFromObject(object), object); err == nil {
			handed.Result, err = h.upgrade(ctx, api, object)
		}
	}
	switch {
	case apierrors.IsNotFound(err):
		handed.Result = unchangedTarget // it has been deleted meanwhile
	case err != nil:
		handed.Result, handed.Error = failedTarget, request.Explain(err)
	}
	return handed
}

// upgrade replaces the entries of operation Update in the managedFields of a target. It sends one
// request at most, which fails if the target has changed meanwhile.
func (h *handback) upgrade(ctx context.Context, api client.Client, object *metav1.PartialObjectMetadata) (handbackResult, error) {
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(object.DeepCopy(), sets.New(target.FieldManager), target.FieldManager)
	switch {
	case err != nil:
		return failedTarget, fmt.Errorf("managedFields: %w", err)
	case patch == nil:
		return unchangedTarget, nil
	case h.dryRun:
		return toHandBack, nil
	}
	ctx, cancel := context.WithTimeout(ctx, request.Deadline)
	defer cancel()
	return handedBack, api.Patch(ctx, object, client.RawPatch(types.JSONPatchType, patch))
}

// Kind implements [document].
func (*handedTargets) Kind() string { return "Handback" }

// Table implements [document].
func (h *handedTargets) Table(page *page) {
	if len(h.Targets) == 0 {
		page.printf("no Bundle has a target that is a ConfigMap or Secret")
		return
	}
	changed, header := handedBack, "HANDED BACK"
	if h.DryRun {
		changed, header = toHandBack, "TO HAND BACK"
	}
	var rows [][]string
	for i := 0; i < len(h.Targets); {
		name, counts := h.Targets[i].Bundle, map[handbackResult]int{}
		for ; i < len(h.Targets) && h.Targets[i].Bundle == name; i++ {
			counts[h.Targets[i].Result]++
		}
		rows = append(rows, []string{name, strconv.Itoa(counts[changed]), strconv.Itoa(counts[unchangedTarget]), strconv.Itoa(counts[failedTarget])})
	}
	page.table([]string{"BUNDLE", header, "UNCHANGED", "FAILED"}, rows)
	for _, t := range h.Targets {
		if t.Result == failedTarget {
			page.printf("%s %s %s/%s: %s", page.paint(red, "failed:"), t.Kind, t.Namespace, t.Bundle, t.Error)
		}
	}
}
