package e2e

import "testing"

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
}
