package integration

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
)

// serverName is the name of the story's servers.
const serverName = "server.story"

// serve runs a server with a certificate of the CA until the test ends, and returns its
// address.
func (a authority) serve(t *testing.T) string {
	t.Helper()
	pair, err := a.Issue(ca.ForHosts(serverName)).TLS()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				if secure, ok := connection.(*tls.Conn); ok {
					_ = secure.Handshake() // the client reports the error
				}
				_ = connection.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

// shakeHands connects to a server like a program that trusts a bundle.
func shakeHands(address, bundle string, now time.Time) error {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(bundle)) {
		return fmt.Errorf("the bundle has no certificate")
	}
	connection, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", address,
		&tls.Config{RootCAs: roots, ServerName: serverName, Time: func() time.Time { return now }, MinVersion: tls.VersionTLS13})
	if err != nil {
		return err
	}
	return connection.Close()
}

// story is an issuer that moves from one root to another, and its clients.
type story struct {
	*scene
	bundle *v1alpha1.Bundle
	// clock is the file that sets the offset of the operator's clock.
	clock string
	ahead time.Duration

	mu sync.Mutex
	// servers are those that every target must trust now.
	servers map[string]string
	shaken  int
}

// newStory runs the operator with a fake clock.
func newStory(t *testing.T) *story {
	t.Helper()
	dir := t.TempDir()
	s := &story{scene: newScene(t), clock: filepath.Join(dir, "ahead"), servers: map[string]string{}}
	program := filepath.Join(dir, "fakeclock")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "trust-manager.io/test/framework/fakeclock")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the operator with another clock: %v\n%s", err, output)
	}
	t.Setenv("CLOCK", s.clock)
	noOperator(t)
	usual := env.UseOperator(program)
	t.Cleanup(func() { env.UseOperator(usual) })
	return s
}

// putForward advances the clock of operator and clients. The operator's timers do not
// observe that, so a change of the source triggers a reconcile.
func (s *story) putForward(long time.Duration, source *corev1.ConfigMap) {
	s.t.Helper()
	s.mu.Lock()
	s.ahead += long
	s.mu.Unlock()
	if err := os.WriteFile(s.clock+".new", []byte(s.ahead.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(s.clock+".new", s.clock); err != nil {
		s.t.Fatal(err)
	}
	change(s.t, source, func(o *corev1.ConfigMap) { o.Annotations = map[string]string{"looked-at": s.ahead.String()} })
}

// trusts sets the servers that every target has to trust.
func (s *story) trusts(servers map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.servers = servers
}

// look performs a handshake with every server for every existing target.
func (s *story) look() error {
	found, err := inConfigMaps.list(s.t.Context(), s.bundle.Name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for namespace, object := range found {
		for name, address := range s.servers {
			if err := shakeHands(address, object.Data[targetKey], time.Now().Add(s.ahead)); err != nil {
				return fmt.Errorf("the bundle in %s and the server of %s, %s ahead: %w", namespace, name, s.ahead, err)
			}
			s.shaken++
		}
	}
	return nil
}

// watch calls look repeatedly until the test ends.
func (s *story) watch() {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(30 * time.Millisecond):
			}
			if err := s.look(); err != nil {
				if s.t.Context().Err() == nil { // otherwise the test has ended
					s.t.Error(err)
				}
				return
			}
		}
	}()
	s.t.Cleanup(func() {
		close(done)
		<-ended
		s.t.Logf("%d handshakes", s.shaken)
	})
}

// K5, K3, the whole story: an issuer moves from root A to root B with retain: 72h.
// Every target trusts servers of both at any time, in real TLS handshakes, through a
// restart and a change of leaders, until A's retention ends; then only B is trusted. A
// retained root that is excluded is removed from every target.
func TestStoryOfARotation(t *testing.T) {
	s := newStory(t)
	namespaces := s.namespaces(4)
	a, b, c := newAuthority("Root A"), newAuthority("Root B"), newAuthority("Root C")
	atA, atB, atC := a.serve(t), b.serve(t), c.serve(t)
	both := map[string]string{"A": atA, "B": atB}
	leader := startReplica(t, addOperator)
	awaitLeader(t, "")
	source := s.source(a)
	s.bundle = s.scene.bundle(from(source), retaining(72*time.Hour), func(b *v1alpha1.Bundle) {
		b.Spec.Target.AdditionalFormats = &v1alpha1.AdditionalFormats{JKS: &v1alpha1.JKS{Key: "bundle.jks", Password: new("changeit")}}
	})
	awaitTargets(t, s.bundle, namespaces, a)
	s.trusts(map[string]string{"A": atA})
	s.watch()

	fill(t, source, b) // the issuer moves
	awaitTargets(t, s.bundle, namespaces, b, a)
	s.trusts(both)
	s.putForward(24*time.Hour, source)
	awaitSynced(t, s.bundle, 4)

	// A change of leaders: the first dies.
	identity := awaitLeader(t, "")
	next := startReplica(t, addOperator)
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	awaitLeader(t, identity)
	late := s.namespaces(1)
	awaitTargets(t, s.bundle, late, b, a)
	s.putForward(24*time.Hour, source)
	awaitTargets(t, s.bundle, append(namespaces, late...), b, a)

	// A restart: no operator runs for a while, and the source changes.
	stop(t, next)
	fill(t, source, b, c)
	fill(t, source, c, b)
	startReplica(t, addOperator)
	awaitTargets(t, s.bundle, append(namespaces, late...), c, b, a)
	s.putForward(24*time.Hour-10*time.Second, source)
	awaitTargets(t, s.bundle, append(namespaces, late...), c, b, a)
	if err := s.look(); err != nil {
		t.Error(err)
	}

	s.trusts(map[string]string{"B": atB, "C": atC}) // A's retention ends in some seconds, by itself
	awaitTargets(t, s.bundle, append(namespaces, late...), c, b)
	for namespace, object := range s.targets() {
		if shakeHands(atA, object.Data[targetKey], time.Now().Add(s.ahead)) == nil {
			t.Errorf("the bundle in %s trusts root A still", namespace)
		}
	}

	// B leaves, is retained, and is then excluded.
	s.trusts(map[string]string{"C": atC})
	fill(t, source, c)
	awaitTargets(t, s.bundle, append(namespaces, late...), c, b)
	change(t, s.bundle, func(o *v1alpha1.Bundle) {
		o.Spec.Exclude = []v1alpha1.Exclusion{{PublicKeySHA256: b.keyFingerprint()}}
	})
	awaitTargets(t, s.bundle, append(namespaces, late...), c)
	for namespace, object := range s.targets() {
		if shakeHands(atB, object.Data[targetKey], time.Now().Add(s.ahead)) == nil {
			t.Errorf("the bundle in %s trusts root B still", namespace)
		}
	}
}

// targets returns the targets of the story's Bundle, by namespace.
func (s *story) targets() map[string]*corev1.ConfigMap {
	s.t.Helper()
	found, err := inConfigMaps.list(s.t.Context(), s.bundle.Name)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(found) == 0 {
		s.t.Fatal("there are no targets")
	}
	return found
}
