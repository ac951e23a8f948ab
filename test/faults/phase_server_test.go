package faults

import (
	"math/rand/v2"
	"time"

	"trust-manager.io/test/framework/rig"
)

// Bounds of the control plane's downtimes and uptimes.
const (
	serverGone  = 2 * time.Second
	etcdGone    = 8 * time.Second
	serverThere = 3 * time.Second
)

// killAPIServer kills the API server while things change, and starts it again.
func (w *world) killAPIServer(size sizes) error {
	return w.amid("API server", 200*time.Millisecond, func(r *rand.Rand) error {
		for range size.apiServers {
			time.Sleep(upTo(r, serverThere))
			if err := env.Signal(rig.APIServer, "KILL"); err != nil {
				return err
			}
			time.Sleep(upTo(r, serverGone))
			if err := env.Restart(rig.APIServer); err != nil {
				return err
			}
			w.report.count("API server killed (SIGKILL) and started again")
		}
		time.Sleep(time.Second)
		return nil
	})
}

// stopEtcd stops etcd for a while, so that all requests hang.
func (w *world) stopEtcd(size sizes) error {
	return w.amid("etcd", 200*time.Millisecond, func(r *rand.Rand) error {
		for range size.etcds {
			time.Sleep(upTo(r, serverThere))
			if err := env.Signal(rig.Etcd, "STOP"); err != nil {
				return err
			}
			time.Sleep(time.Second + upTo(r, etcdGone))
			if err := env.Signal(rig.Etcd, "CONT"); err != nil {
				return err
			}
			w.report.count("etcd stopped (SIGSTOP) and continued")
		}
		time.Sleep(time.Second)
		return nil
	})
}
