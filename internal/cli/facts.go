package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/diagnosis"
	"trust-manager.io/internal/survey"
	"trust-manager.io/internal/target"
)

// facts are what check reads of a cluster.
type facts struct {
	api *connection
	// discovery asks the API server itself, not a cache of earlier answers.
	discovery   *discovery.DiscoveryClient
	version     string
	groups      *metav1.APIGroupList
	definitions []diagnosis.Definition
}

// gatherFacts reads what the API server serves.
func gatherFacts(ctx context.Context, connected *connection) (f *facts, err error) {
	f = &facts{api: connected}
	if f.discovery, err = discovery.NewDiscoveryClientForConfig(connected.rest); err != nil {
		return nil, err
	}
	version, err := f.discovery.ServerVersionWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the version of Kubernetes: %w", err)
	}
	f.version = version.GitVersion
	if f.groups, err = f.discovery.ServerGroupsWithContext(ctx); err != nil {
		return nil, fmt.Errorf("reading the API groups: %w", err)
	}
	for _, adapter := range apis.All() {
		definition, err := f.definition(ctx, adapter)
		if err != nil {
			return nil, err
		}
		f.definitions = append(f.definitions, definition)
	}
	return f, nil
}

// definition reads how an API kind is served.
func (f *facts) definition(ctx context.Context, adapter apis.Adapter) (definition diagnosis.Definition, err error) {
	gvk := adapter.GroupVersionKind()
	definition = diagnosis.Definition{
		Kind: gvk.Kind, Version: gvk.GroupVersion().String(), Optional: adapter.Marks().Kind != bundle.APIBundle,
	}
	versions, err := f.versions(ctx, gvk.Group, gvk.Kind)
	if err != nil || !slices.Contains(versions, gvk.Version) {
		return definition, err
	}
	definition.Served = true
	document, err := f.discovery.RESTClient().Get().AbsPath("/openapi/v3/apis", gvk.Group, gvk.Version).Do(ctx).Raw()
	if err == nil {
		definition.Missing, err = apis.MissingFields(adapter, document)
	}
	if err != nil {
		return definition, fmt.Errorf("reading the fields of %ss: %w", gvk.Kind, err)
	}
	return definition, nil
}

// versions returns the versions of an API group in which a kind is served, the preferred one first.
func (f *facts) versions(ctx context.Context, group, kind string) (versions []string, err error) {
	for _, served := range f.groups.Groups {
		if served.Name != group {
			continue
		}
		for _, version := range served.Versions {
			resources, err := f.discovery.ServerResourcesForGroupVersionWithContext(ctx, version.GroupVersion)
			if apierrors.IsNotFound(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("reading the kinds of %s: %w", version.GroupVersion, err)
			}
			if slices.ContainsFunc(resources.APIResources, func(r metav1.APIResource) bool { return r.Kind == kind }) {
				versions = append(versions, version.Version)
			}
		}
	}
	return versions, nil
}

// hasCertManager reports whether cert-manager's API is served.
func (f *facts) hasCertManager() bool {
	return slices.ContainsFunc(f.groups.Groups, func(g metav1.APIGroup) bool { return g.Name == "cert-manager.io" })
}

// bundleFacts returns what is checked of a bundle.
func bundleFacts(definition survey.Definition) diagnosis.Bundle {
	return diagnosis.Bundle{Spec: definition.Spec, Report: survey.ReportOf(definition)}
}

// described returns what is checked of Deployments.
func described(found []installation) (operators []diagnosis.Operator) {
	for i := range found {
		operators = append(operators, diagnosis.Operator{
			Name:     found[i].Namespace + "/" + found[i].Name,
			Version:  cmp.Or(found[i].Labels["app.kubernetes.io/version"], "unknown"),
			Replicas: found[i].replicas(), Available: found[i].Status.AvailableReplicas,
		})
	}
	return operators
}

// webhook checks the webhooks for Bundles.
func (f *facts) webhook(ctx context.Context, operators []installation) (checks []diagnosis.Check) {
	list := &admissionregistrationv1.ValidatingWebhookConfigurationList{}
	if err := f.api.List(ctx, list); err != nil {
		return []diagnosis.Check{diagnosis.Unreadable(diagnosis.NameWebhook, err)}
	}
	webhooks := diagnosis.WebhooksIn(list.Items)
	for _, webhook := range webhooks {
		ready := 0
		if service := webhook.ClientConfig.Service; service != nil {
			endpoints := &discoveryv1.EndpointSliceList{}
			if err := f.api.List(ctx, endpoints, client.InNamespace(service.Namespace), client.MatchingLabels{discoveryv1.LabelServiceName: service.Name}); err != nil {
				checks = append(checks, diagnosis.Unreadable(diagnosis.NameWebhook, err))
				continue
			}
			ready = readyIn(endpoints)
		}
		checks = append(checks, webhook.Judge(ready))
	}
	if len(webhooks) == 0 {
		isServed := !slices.ContainsFunc(operators, func(o installation) bool {
			port, ok := o.flag("webhook-port")
			return ok && port == "0"
		})
		checks = append(checks, diagnosis.NoWebhook(isServed))
	}
	return checks
}

// readyIn returns how many endpoints are ready.
func readyIn(list *discoveryv1.EndpointSliceList) (ready int) {
	for _, slice := range list.Items {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
				ready++
			}
		}
	}
	return ready
}

// rights checks the rights of the operators' service accounts.
func (f *facts) rights(ctx context.Context, operators []installation, bundles []diagnosis.Bundle) (checks []diagnosis.Check) {
	for i := range operators {
		o := &operators[i]
		setup := diagnosis.Setup{TrustNamespace: defaultTrustNamespace, Bundles: bundles}
		if namespace, ok := o.flag(trustNamespaceFlag); ok {
			setup.TrustNamespace = namespace
		}
		if namespaces, ok := o.flag("target-namespaces"); ok {
			setup.TargetNamespaces = strings.Split(namespaces, ",")
		}
		account := o.Namespace + ":" + cmp.Or(o.Spec.Template.Spec.ServiceAccountName, "default")
		groups := []string{"system:authenticated", "system:serviceaccounts", "system:serviceaccounts:" + o.Namespace}
		denied, err := f.denied(ctx, diagnosis.Needed(setup), func(needed *diagnosis.Permission) client.Object {
			return &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User: "system:serviceaccount:" + account, Groups: groups, ResourceAttributes: needed,
			}}
		})
		if err != nil {
			checks = append(checks, diagnosis.Unreadable(diagnosis.NameRights, err))
			continue
		}
		checks = append(checks, diagnosis.Rights("service account "+account, denied))
	}
	return checks
}

// installRights checks the rights of the user to install the chart.
func (f *facts) installRights(ctx context.Context, namespace, trustNamespace string) diagnosis.Check {
	own := func(needed *diagnosis.Permission) client.Object {
		return &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: needed}}
	}
	denied, err := f.denied(ctx, diagnosis.NeededToInstall(namespace, trustNamespace, f.hasCertManager()), own)
	if err != nil {
		return diagnosis.Unreadable(diagnosis.NameRights, err)
	}
	escalate := diagnosis.Permission{Verb: "escalate", Group: "rbac.authorization.k8s.io", Resource: "clusterroles"}
	missing, err := f.denied(ctx, []diagnosis.Permission{escalate}, own)
	if err != nil {
		return diagnosis.Unreadable(diagnosis.NameRights, err)
	}
	return diagnosis.InstallRights(denied, len(missing) == 0)
}

// denied returns the permissions that reviews deny.
func (f *facts) denied(ctx context.Context, needed []diagnosis.Permission, review func(*diagnosis.Permission) client.Object) (denied []diagnosis.Permission, err error) {
	var mu sync.Mutex
	isDenied := make([]bool, len(needed))
	inParallel(len(needed), func(i int) {
		object := review(&needed[i])
		failure := f.api.Create(ctx, object)
		mu.Lock()
		defer mu.Unlock()
		err = cmp.Or(err, failure)
		isDenied[i] = !isAllowed(object)
	}, func(int, int) {})
	if err != nil {
		return nil, fmt.Errorf("reviewing rights: %w", err)
	}
	for i, permission := range needed {
		if isDenied[i] {
			denied = append(denied, permission)
		}
	}
	return denied, nil
}

// isAllowed returns the answer to a review.
func isAllowed(review client.Object) bool {
	switch review := review.(type) {
	case *authorizationv1.SubjectAccessReview:
		return review.Status.Allowed
	case *authorizationv1.SelfSubjectAccessReview:
		return review.Status.Allowed
	}
	return false
}

// trustNamespace checks that the trust namespace exists.
func (f *facts) trustNamespace(ctx context.Context, name string) diagnosis.Check {
	err := f.api.Get(ctx, client.ObjectKey{Name: name}, &corev1.Namespace{})
	if err != nil && !apierrors.IsNotFound(err) {
		return diagnosis.Unreadable(diagnosis.NameNamespace, err)
	}
	return diagnosis.Namespace(name, err == nil)
}

// support checks what the API server and the nodes support, given the bundles that use
// ClusterTrustBundles.
func (f *facts) support(ctx context.Context, users []string) (checks []diagnosis.Check) {
	trustBundle := target.TypeOf(bundle.ClusterTrustBundle).GVK
	served, err := f.versions(ctx, trustBundle.Group, trustBundle.Kind)
	if err != nil {
		return []diagnosis.Check{diagnosis.Unreadable(diagnosis.NameTrustBundles, err)}
	}
	checks = append(checks, diagnosis.TrustBundles(served, users))
	var kubelets []string
	err = eachPage(ctx, f.api, &corev1.NodeList{}, func(page *corev1.NodeList) {
		for i := range page.Items {
			kubelets = append(kubelets, page.Items[i].Status.NodeInfo.KubeletVersion)
		}
	})
	if err != nil {
		checks = append(checks, diagnosis.Unreadable(diagnosis.NameNodes, err))
	}
	checks = append(checks, diagnosis.Nodes(kubelets, served, users)...)
	for _, policy := range []struct {
		kind  string
		since int
	}{{"ValidatingAdmissionPolicy", 30}, {"MutatingAdmissionPolicy", 36}} {
		versions, err := f.versions(ctx, admissionregistrationv1.GroupName, policy.kind)
		if err != nil {
			checks = append(checks, diagnosis.Unreadable(diagnosis.NamePolicies, err))
			continue
		}
		checks = append(checks, diagnosis.Policy(policy.kind, versions, policy.since))
	}
	return checks
}
