package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/capackage"
	"trust-manager.io/test/integration/rig"
)

const (
	// bundleSize is about that of Debian's list of public roots as PEM, in
	// bytes: 144 certificates.
	bundleSize = 220_000
	// benchLabel selects the namespaces of the benchmark.
	benchLabel = "bench"
	bundleName = "bench"
	bundleKey  = "ca.crt"
)

// bench is one run of the benchmark.
type bench struct {
	rig          *rig.Rig
	raw          rest.Interface
	namespaces   []string
	bundle       []byte
	certificates int
	dir          string
	packagePath  string
}

func newBench(ctx context.Context, r *rig.Rig, dir string, namespaces int) (*bench, error) {
	raw, err := newRawClient(r.Config)
	if err != nil {
		return nil, err
	}
	b := &bench{rig: r, raw: raw, dir: dir}
	if b.bundle, b.certificates, err = publicRoots(); err != nil {
		return nil, err
	}
	if err := b.writePackage(); err != nil {
		return nil, err
	}
	for i := range namespaces {
		name := fmt.Sprintf("bench-%05d", i)
		b.namespaces = append(b.namespaces, name)
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{benchLabel: "true"}}}
		if err := r.Client.Create(ctx, namespace); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// publicRoots gives Mozilla's roots as PEM, filled up with made ones to the size
// of Debian's list.
func publicRoots() (text []byte, certificates int, err error) {
	var buffer bytes.Buffer
	add := func(der []byte) {
		_ = pem.Encode(&buffer, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a buffer takes every write
		certificates++
	}
	for root := range bundle.Roots() {
		add(root.Certificate)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, 0, err
	}
	for serial := int64(1); buffer.Len() < bundleSize; serial++ {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial),
			Subject:      pkix.Name{CommonName: fmt.Sprintf("bench root %d", serial)},
			NotAfter:     time.Now().AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true,
			// As long as one with an RSA key of 4,096 bits.
			ExtraExtensions: []pkix.Extension{{Id: []int{2, 999, 1}, Value: make([]byte, 1000)}},
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			return nil, 0, err
		}
		add(der)
	}
	return buffer.Bytes(), certificates, nil
}

// writePackage makes the bundle the default CA package.
func (b *bench) writePackage() error {
	data, err := capackage.Encode(capackage.Package{Name: "bench", Version: "1", Bundle: string(b.bundle)})
	if err != nil {
		return err
	}
	b.packagePath = filepath.Join(b.dir, "package.json")
	return os.WriteFile(b.packagePath, data, 0o600)
}

// rollOuts measures a new Bundle, and a change of one of its sources, until the
// last target holds it.
func (b *bench) rollOuts(ctx context.Context, create, replace *row) error {
	operator, err := b.rig.StartOperator("--default-package-location", b.packagePath)
	if err != nil {
		return err
	}
	defer func() { _ = operator.Stop() }()
	targets, err := b.watch(ctx)
	if err != nil {
		return err
	}
	defer targets.stop()
	// The operator is there when it has done something.
	if err := b.settle(ctx); err != nil {
		return err
	}
	object := b.object("one")
	began := time.Now()
	if err := b.rig.Client.Create(ctx, object); err != nil {
		return err
	}
	if err := targets.await(ctx, len(b.namespaces)); err != nil {
		return fmt.Errorf("%w\n%s", err, operator.Log())
	}
	create.operator = append(create.operator, time.Since(began))
	before := object.DeepCopy()
	object.Spec = b.object("two").Spec
	began = time.Now()
	if err := b.rig.Client.Patch(ctx, object, client.MergeFrom(before)); err != nil {
		return err
	}
	if err := targets.await(ctx, len(b.namespaces)); err != nil {
		return fmt.Errorf("%w\n%s", err, operator.Log())
	}
	replace.operator = append(replace.operator, time.Since(began))
	return b.remove(ctx, object, targets)
}

// object gives the Bundle; its inline text differs by the name of the CA.
func (b *bench) object(ca string) *v1alpha1.Bundle {
	yes, text := true, inline[ca]
	return &v1alpha1.Bundle{
		ObjectMeta: metav1.ObjectMeta{Name: bundleName},
		Spec: v1alpha1.BundleSpec{
			Sources: []v1alpha1.BundleSource{{UseDefaultCAs: &yes}, {InLine: &text}},
			Target: &v1alpha1.BundleTarget{
				ConfigMap:         &v1alpha1.TargetObject{Key: bundleKey},
				NamespaceSelector: &v1alpha1.LabelSelector{MatchLabels: map[string]string{benchLabel: "true"}},
			},
		},
	}
}

// settle waits until the operator works, by a Bundle without a target.
func (b *bench) settle(ctx context.Context) error {
	probe := b.object("one")
	probe.Name, probe.Spec.Target = "bench-probe", nil
	if err := b.rig.Client.Create(ctx, probe); err != nil {
		return err
	}
	err := rig.Await(ctx, "the operator to work", func() error {
		if err := b.rig.Client.Get(ctx, client.ObjectKeyFromObject(probe), probe); err != nil {
			return err
		}
		if len(probe.Status.Conditions) == 0 {
			return fmt.Errorf("the Bundle has no status")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.rig.Client.Delete(ctx, probe)
}

// remove deletes the Bundle and waits until its targets are gone, so that the
// next repetition starts from nothing.
func (b *bench) remove(ctx context.Context, object *v1alpha1.Bundle, targets *targetWatch) error {
	if err := b.rig.Client.Delete(ctx, object); err != nil {
		return err
	}
	return targets.awaitNone(ctx)
}

// inline are two certificates to change between.
var inline = map[string]string{"one": madeRoot("one"), "two": madeRoot("two")}

func madeRoot(name string) string {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotAfter: time.Now().AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err) // the template is right
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
