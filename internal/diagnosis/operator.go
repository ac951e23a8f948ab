package diagnosis

import (
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// The names of checks of an installation.
const (
	NameOperator  = "operator"
	NameWebhook   = "webhook"
	NameRights    = "rights"
	NameNamespace = "trust namespace"
	NameIssuer    = "webhook certificate"
)

// Operator is a Deployment of a trust-manager.
type Operator struct {
	// Name is the namespace and name of the Deployment.
	Name, Version       string
	Replicas, Available int32
}

// Operators judges the Deployments of an installed operator.
func Operators(operators []Operator) (checks []Check) {
	if len(operators) == 0 {
		return []Check{about(NameOperator, "", Fail, "there is no Deployment of trust-manager; install the chart (before that: kubectl trust check --pre)")}
	}
	for _, o := range operators {
		switch {
		case o.Replicas == 0:
			checks = append(checks, about(NameOperator, o.Name, Fail, "scaled to 0, so no target is written; scale it up"))
		case o.Available < o.Replicas:
			checks = append(checks, about(NameOperator, o.Name, Fail, "%d of %d replicas are available; see kubectl describe and the log of the pods", o.Available, o.Replicas))
		default:
			checks = append(checks, about(NameOperator, o.Name, Pass, "version %s, %d of %d replicas are available", o.Version, o.Available, o.Replicas))
		}
	}
	if len(operators) > 1 {
		checks = append(checks, about(NameOperator, "", Fail, "%d Deployments of trust-manager would write the same targets; remove all but one", len(operators)))
	}
	return checks
}

// OthersBeforeInstallation judges the Deployments that run before an installation.
func OthersBeforeInstallation(operators []Operator) Check {
	if len(operators) == 0 {
		return about(NameOperator, "", Pass, "no trust-manager is installed yet")
	}
	var names []string
	for _, o := range operators {
		names = append(names, o.Name+" (version "+o.Version+")")
	}
	return about(NameOperator, "", Warn, "trust-manager is already installed: %s; upgrade that release in place (docs/guide/moving.md)", joined(names))
}

// bundleGroup is the API group whose objects the webhook checks.
const bundleGroup = "trust.cert-manager.io"

// Webhook is a webhook that the API server calls for Bundles.
type Webhook struct {
	// Configuration is the name of its ValidatingWebhookConfiguration.
	Configuration string
	admissionregistrationv1.ValidatingWebhook
}

// WebhooksIn returns the webhooks that are called for Bundles. Those for all API groups are not.
func WebhooksIn(configurations []admissionregistrationv1.ValidatingWebhookConfiguration) (webhooks []Webhook) {
	for _, configuration := range configurations {
		for _, webhook := range configuration.Webhooks {
			if slices.ContainsFunc(webhook.Rules, func(r admissionregistrationv1.RuleWithOperations) bool {
				return slices.Contains(r.APIGroups, bundleGroup)
			}) {
				webhooks = append(webhooks, Webhook{configuration.Name, webhook})
			}
		}
	}
	return webhooks
}

// Judge judges the webhook, given how many endpoints of its Service are ready.
func (w Webhook) Judge(ready int) Check {
	isStrict := w.FailurePolicy == nil || *w.FailurePolicy == admissionregistrationv1.Fail
	policy, consequence := "Ignore", "some invalid Bundles are accepted, and there are no warnings"
	if isStrict {
		policy, consequence = "Fail", "Bundles cannot be created or changed"
	}
	service := w.ClientConfig.Service
	switch {
	case len(w.ClientConfig.CABundle) == 0:
		return about(NameWebhook, w.Configuration, Fail, "there is no caBundle, so %s; see docs/guide/admission.md on the webhook's certificate", consequence)
	case service != nil && ready == 0:
		return about(NameWebhook, w.Configuration, Fail, "the Service %s/%s has no ready endpoint, so %s; see the operator's pods", service.Namespace, service.Name, consequence)
	}
	if service == nil {
		return about(NameWebhook, w.Configuration, Pass, "failurePolicy %s, called by URL", policy)
	}
	return about(NameWebhook, w.Configuration, Pass, "failurePolicy %s, %s ready", policy, endpoints(ready))
}

// endpoints returns a number of endpoints with the verb.
func endpoints(n int) string {
	if n == 1 {
		return "1 endpoint is"
	}
	return fmt.Sprintf("%d endpoints are", n)
}

// NoWebhook judges that no webhook is called for Bundles, given whether the operator serves one.
func NoWebhook(isServed bool) Check {
	if !isServed {
		return about(NameWebhook, "", Skip, "disabled (--webhook-port=0)")
	}
	return about(NameWebhook, "", Fail, "there is no ValidatingWebhookConfiguration for Bundles, so there are no warnings; upgrade the release, or set app.webhook.enabled=false")
}

// Issuer judges who issues the webhook's certificate before an installation.
func Issuer(hasCertManager bool) Check {
	if hasCertManager {
		return about(NameIssuer, "", Pass, "cert-manager will issue it")
	}
	return about(NameIssuer, "", Pass, "cert-manager is not installed, so the operator will issue it itself")
}

// Namespace judges whether the trust namespace exists.
func Namespace(name string, exists bool) Check {
	if !exists {
		return about(NameNamespace, name, Fail, "it does not exist; create it: kubectl create namespace %s", name)
	}
	return about(NameNamespace, name, Pass, "it exists")
}
