package diagnosis

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/text"
)

// The names of checks of bundles.
const (
	NameBundles = "bundles"
	NamePackage = "default CAs"
)

// Bundle is a bundle and what its status reports.
type Bundle struct {
	Spec   bundle.Spec
	Report ledger.Report
}

// Bundles judges the conditions of bundles. Those in sync are only counted; the check of that count
// comes last, and has the worst status of a bundle. Superseded bundles do not count.
func Bundles(bundles []Bundle) (checks []Check) {
	synced, superseded, worst := 0, 0, Pass
	for _, b := range bundles {
		name, conditions := b.Spec.ID.String(), b.Report.Conditions
		condition := meta.FindStatusCondition(conditions, ledger.ConditionSynced)
		switch stalled := meta.FindStatusCondition(conditions, ledger.ConditionStalled); {
		case meta.IsStatusConditionTrue(conditions, ledger.ConditionSuperseded):
			superseded++
			checks = append(checks, about(NameBundles, name, Pass, "superseded by the ClusterBundle of its name"))
		case condition != nil && condition.Status == metav1.ConditionFalse:
			worst = Fail
			checks = append(checks, about(NameBundles, name, Fail, "%s: %s", condition.Reason, condition.Message))
		case stalled != nil && stalled.Status == metav1.ConditionTrue:
			worst = Fail
			checks = append(checks, about(NameBundles, name, Fail, "%s: %s", stalled.Reason, stalled.Message))
		case !meta.IsStatusConditionTrue(conditions, ledger.ConditionReady):
			if worst == Pass {
				worst = Warn
			}
			checks = append(checks, about(NameBundles, name, Warn, "%s", unready(b.Report)))
		default:
			synced++
		}
	}
	if len(bundles) == 0 {
		return []Check{about(NameBundles, "", Pass, "there is no bundle")}
	}
	if total := len(bundles) - superseded; total > 0 {
		checks = append(checks, about(NameBundles, "", worst, "%s", inSync(synced, total)))
	}
	return checks
}

// inSync returns how many bundles are in sync.
func inSync(n, total int) string {
	if n == 1 {
		return fmt.Sprintf("1 of %d is in sync", total)
	}
	return fmt.Sprintf("%d of %d are in sync", n, total)
}

// unready returns why a bundle without a failure is not ready.
func unready(report ledger.Report) string {
	for _, kind := range []string{ledger.ConditionReconciling, ledger.ConditionReady} {
		if condition := meta.FindStatusCondition(report.Conditions, kind); condition != nil {
			return condition.Reason + ": " + condition.Message
		}
	}
	return "its status has no condition Ready; is the operator running?"
}

// TrustBundleUsers returns the bundles that read or write ClusterTrustBundles.
func TrustBundleUsers(bundles []Bundle) (users []string) {
	for _, b := range bundles {
		reads := slices.ContainsFunc(b.Spec.Sources, func(s bundle.Source) bool { return s.TrustBundle != nil })
		if reads || b.Spec.HasTarget(bundle.ClusterTrustBundle) {
			users = append(users, b.Spec.ID.String())
		}
	}
	return users
}

// maxPackageAge is how old a default CA package may be: Mozilla changes its list several times a
// year.
const maxPackageAge = 180 * 24 * time.Hour

// packageDate is the date in the version of a package, before the digest at its end.
var packageDate = regexp.MustCompile(`(?:^|\D)(20\d{6})(?:\D|$)`)

// Packages judges the age of the default CA packages in the status of bundles.
func Packages(bundles []Bundle, now time.Time) (checks []Check) {
	var ids []string
	for _, b := range bundles {
		if id := b.Report.DefaultCAVersion; id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		checks = append(checks, packageAge(id, now))
	}
	if len(ids) == 0 {
		return []Check{about(NamePackage, "", Skip, "no bundle uses them")}
	}
	if len(ids) > 1 {
		checks = append(checks, about(NamePackage, "", Warn, "bundles have been built with %d different packages; look for those that cannot be built", len(ids)))
	}
	return checks
}

// packageAge judges the age of one package.
func packageAge(id string, now time.Time) Check {
	version := id
	if end := strings.LastIndex(id, "-"); end >= 0 {
		version = id[:end]
	}
	match := packageDate.FindStringSubmatch(version)
	if match == nil {
		return about(NamePackage, id, Skip, "its age is unknown: there is no date in the version")
	}
	date, err := time.Parse("20060102", match[1])
	if err != nil {
		return about(NamePackage, id, Skip, "its age is unknown: %s is not a date", match[1])
	}
	days := int(now.Sub(date).Hours() / 24)
	if now.Sub(date) > maxPackageAge {
		return about(NamePackage, id, Warn, "%s old; use a newer package, so that CAs which browsers no longer trust are removed", text.Count(days, "day"))
	}
	return about(NamePackage, id, Pass, "%s old", text.Count(max(0, days), "day"))
}
