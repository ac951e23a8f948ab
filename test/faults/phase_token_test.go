package faults

import (
	"fmt"
	"time"

	"trust-manager.io/test/framework/poll"
)

// refusedWithin is the time within which the API server rejects a revoked token: it
// caches successful authentications for 10 s.
const refusedWithin = 30 * time.Second

// expireToken revokes the operator's token while it runs, and provides a new one some
// time later, like the kubelet does: in a file.
func (w *world) expireToken(size sizes) error {
	if size.tokens == 0 {
		w.t.Log("NOT DONE in the short form: client-go reads the file of a token once a minute")
		return nil
	}
	token, err := env.ExpiringToken(w.ctx, w.proxy)
	if err != nil {
		return err
	}
	if err := w.fleet.run(1, "--kubeconfig", token.Kubeconfig); err != nil {
		return err
	}
	r := w.random("token")
	for range size.tokens {
		if err := poll.UntilWithin(w.ctx, convergence, "all to be in sync under the token", w.compare); err != nil {
			return err
		}
		if err := token.Expire(w.ctx); err != nil {
			return err
		}
		deadline := time.Now().Add(refusedWithin)
		for refused := false; !refused; {
			if time.Now().After(deadline) {
				return fmt.Errorf("the operator still writes %s after the end of its token", refusedWithin)
			}
			of, err := w.fresh(r, pick(r, w.bundles))
			if err != nil {
				return err
			}
			refused = !w.awaitSeen(of, 1, 3*time.Second)
		}
		w.report.count("token expired (401 by the API server) and renewed")
		if err := token.Renew(w.ctx); err != nil {
			return err
		}
	}
	return nil
}
