package writer

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// largeSize is about the size of the public roots as PEM, in bytes.
const largeSize = 220_000

// largeAction replaces a large object.
func largeAction(kind bundle.Kind) target.Action {
	shape := &target.Shape{Kind: kind, Labels: map[string]string{"team": "a"}}
	if kind == bundle.Secret {
		shape.Binary = map[string][]byte{"ca.crt": bytes.Repeat([]byte("x"), largeSize)}
	} else {
		shape.Text = map[string]string{"ca.crt": string(bytes.Repeat([]byte("x"), largeSize))}
	}
	return target.Action{Verb: target.Replace, Key: keyOf(kind), UID: "uid", ResourceVersion: "7", Shape: shape,
		Owner: metav1.OwnerReference{Name: "roots"}}
}

func offlineWriter(tb testing.TB) *Writer {
	tb.Helper()
	w, err := New(&rest.Config{Host: "http://127.0.0.1"}, http.DefaultClient, preferred)
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

// The request body is the same as the client would send, and bodies share no memory.
func TestEncodeWhole(t *testing.T) {
	t.Parallel()
	w := offlineWriter(t)
	var bodies [][]byte
	for _, kind := range []bundle.Kind{bundle.ConfigMap, bundle.Secret} {
		action := largeAction(kind)
		got, err := encodeObject(w.clients[target.TypeOf(kind).GVK.GroupVersion()].encoder, action.Object())
		if err != nil {
			t.Fatal(err)
		}
		want, err := runtime.Encode(w.clients[target.TypeOf(kind).GVK.GroupVersion()].encoder, action.Object())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) || !bytes.HasPrefix(got, []byte("k8s\x00")) {
			t.Errorf("%s: %d bytes, want the %d that the client sends", kind, len(got), len(want))
		}
		bodies = append(bodies, got)
	}
	if bytes.Equal(bodies[0], bodies[1]) {
		t.Error("the second body overwrites the first")
	}
}

func TestBodyInParts(t *testing.T) {
	t.Parallel()
	var all body
	buffer := []byte("one, two")
	for _, part := range [][]byte{buffer[:3], []byte(" and "), []byte("three")} {
		if n, err := all.Write(part); n != len(part) || err != nil {
			t.Errorf("Write() = %d, %v", n, err)
		}
	}
	if diff := cmp.Diff("one and three", string(all)); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if string(buffer) != "one, two" {
		t.Errorf("the writer's buffer was changed: %s", buffer)
	}
}

func BenchmarkRequest(b *testing.B) {
	w, action := offlineWriter(b), largeAction(bundle.ConfigMap)
	b.SetBytes(largeSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.request(action); err != nil {
			b.Fatal(err)
		}
	}
}
