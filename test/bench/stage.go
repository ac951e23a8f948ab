package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/capackage"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

const (
	// benchLabel is the label of the benchmark's namespaces, and healthyLabel of
	// those in which writes never hang.
	benchLabel, healthyLabel = "bench", "bench-healthy"
	// hangingCount is the number of namespaces that hang in the row "hang".
	hangingCount = 32
	// untilProven is longer than the delay after which the operator verifies its
	// first write of a target.
	untilProven = 2300 * time.Millisecond
	// untilTrusted is longer than the delay after which the operator verifies any
	// write for the last time.
	untilTrusted = 35 * time.Second
	// warmUps is the maximum number of objects that are written before the first
	// measurement.
	warmUps = 250
	// compaction limits the old revisions in etcd: at 40 MB per second, they would
	// fill a disk in a few minutes.
	compaction = "--etcd-compaction-interval=30s"
)

// stage is a control plane with namespaces, an operator, the raw client and an
// observer.
type stage struct {
	rig  *rig.Rig
	api  client.WithWatch
	seen *observer
	// stopWatching ends the observer.
	stopWatching func()
	raw          *rawClient
	rawFew       *rawClient
	rawMany      []*rawClient
	operator     *operator
	size         int
	namespaces   []string
	packagePath  string
	// roots are the certificates of the large Bundles, without the one of the source
	// that changes.
	roots        string
	certificates int
	// sources are the contents between which a source alternates.
	sources [2]string
	// three are the certificates of a small Bundle, and two those beside its source, if it has one.
	three, two string
	// sourceAt has, by Bundle, the index in sources of the content of its source.
	sourceAt map[string]int
	// turns is the number of comparisons between the raw client and the operator.
	turns int
	// rawTrustBundle is the raw client's ClusterTrustBundle, if it exists.
	rawTrustBundle *certificatesv1.ClusterTrustBundle
	// added is the number of namespaces that addNamespace has created.
	added int
	dir   string
}

// newStage starts everything and creates the given number of namespaces.
func newStage(ctx context.Context, size int, profiles string) (*stage, error) {
	s := &stage{size: size, sourceAt: map[string]int{}}
	if err := s.bringUp(ctx, profiles); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stage) bringUp(ctx context.Context, profiles string) (err error) {
	if s.dir, err = os.MkdirTemp("", "trust-manager-bench-"); err != nil {
		return err
	}
	if err := s.writePackage(); err != nil {
		return err
	}
	if s.rig, err = rig.Start(ctx, os.Stderr, append(rig.WithoutAudit, compaction)...); err != nil {
		return err
	}
	s.api = s.rig.Client
	if profiles != "" {
		if err := s.profile(ctx, profiles); err != nil {
			return err
		}
	}
	watching, stop := context.WithCancel(ctx)
	s.stopWatching = stop
	if s.seen, err = newObserver(watching, s.api); err != nil {
		return err
	}
	if err := s.makeNamespaces(ctx); err != nil {
		return err
	}
	if err := s.rig.AllowTrustBundles(ctx, trusted, rawName); err != nil {
		return err
	}
	if s.raw, err = newRawClient(ctx, s); err != nil {
		return err
	}
	s.rawFew = s.raw.small(s, few)
	for _, name := range manyBundles() {
		s.rawMany = append(s.rawMany, s.raw.small(s, name))
	}
	if err := s.warmUp(ctx); err != nil {
		return err
	}
	return s.startOperator(ctx)
}

// warmUp sends some writes before the measurements: the first ones are slow, and
// would otherwise be those of the raw client.
func (s *stage) warmUp(ctx context.Context) error {
	some := s.namespaces[:min(warmUps, s.size)]
	for _, do := range []func(context.Context, string) error{s.raw.post, s.raw.put, s.raw.put, s.raw.remove} {
		if _, err := timed(ctx, some, do); err != nil {
			return err
		}
	}
	return nil
}

// writePackage writes the roots as the default CA package.
func (s *stage) writePackage() error {
	s.roots, s.certificates = publicRoots()
	for i := range s.sources {
		s.sources[i] = newRoot(fmt.Sprint("source ", i))
	}
	s.three = s.sources[0] + s.sources[1] + newRoot("third")
	s.two = newRoot("fourth") + newRoot("fifth")
	data, err := capackage.Encode(capackage.Package{Name: "bench", Version: "1", Bundle: s.roots})
	if err != nil {
		return err
	}
	s.packagePath = filepath.Join(s.dir, "package.json")
	return os.WriteFile(s.packagePath, data, 0o600)
}

// makeNamespaces creates the namespaces and waits until Kubernetes has created
// the objects that every namespace gets.
func (s *stage) makeNamespaces(ctx context.Context) error {
	for i := range s.size {
		s.namespaces = append(s.namespaces, fmt.Sprintf("bench-%05d", i))
	}
	err := each(s.size, func(i int) error {
		labels := map[string]string{benchLabel: "true"}
		if i >= hangingCount {
			labels[healthyLabel] = "true"
		}
		return s.api.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespaces[i], Labels: labels}})
	})
	if err != nil {
		return err
	}
	return poll.UntilWithin(ctx, longest, "the namespaces to settle", func() error {
		var list metav1.PartialObjectMetadataList
		list.APIVersion, list.Kind = "v1", "ConfigMapList"
		if err := s.api.List(ctx, &list, client.MatchingFields{"metadata.name": "kube-root-ca.crt"}); err != nil {
			return err
		}
		if len(list.Items) < s.size {
			return fmt.Errorf("%d of %d namespaces are ready", len(list.Items), s.size)
		}
		return nil
	})
}

// quiet waits until nothing has been written for a while and the operator is
// idle.
func (s *stage) quiet(ctx context.Context, calm time.Duration) error {
	for {
		last, _ := s.seen.activity()
		if wait := calm - time.Since(last); wait > 0 {
			time.Sleep(wait)
			continue
		}
		if idle, err := s.operator.idle(ctx, 300*time.Millisecond); err != nil || idle {
			return err
		}
	}
}

// restartOperator stops the operator and starts a new one.
func (s *stage) restartOperator(ctx context.Context) error {
	if err := s.operator.process.Stop(); err != nil {
		return err
	}
	return s.startOperator(ctx)
}

func (s *stage) close() (err error) {
	if s.operator != nil {
		err = s.operator.process.Stop()
	}
	if s.stopWatching != nil {
		s.stopWatching()
	}
	if s.rig != nil {
		err = errors.Join(err, s.rig.Stop())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
