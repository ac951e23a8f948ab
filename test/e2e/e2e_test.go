package e2e

import "testing"

// P3: the policies of the chart inject a bundle as their mode says, and pods start whatever is
// missing.
func TestAsUsersHaveIt(t *testing.T) {
	if !t.Run("the chart comes up with two replicas", chartComesUp) {
		return // all the rest needs it
	}
	t.Run("its pods can do little", podsCanDoLittle)
	t.Run("the webhook refuses a bad Bundle", webhookRefuses)
	t.Run("a pod trusts a private CA once it is in the Bundle", podComesToTrust)
	t.Run("kubectl trust follows a rotation", commandsFollowARotation)
	t.Run("a pod trusts what is in its ClusterTrustBundle", podTrustsTrustBundle)
	t.Run("the CA package is upgraded alone", packageIsUpgraded)
	t.Run("the leader's pod is killed", leaderIsKilled)
	t.Run("injected pods stop trusting an excluded CA of their image, or add to it", podsFollowInjection)
	t.Run("pods start without the operator", podsStartWithoutOperator)
	t.Run("pods start without the CustomResourceDefinitions", podsStartWithoutCRDs)
	t.Run("pods start after a restart of the API server", podsStartAfterRestart)
	t.Run("pods start without the chart", podsStartWithoutChart)
	t.Run("install.yaml installs the operator and Helm takes it over", manifestWorks)
}
