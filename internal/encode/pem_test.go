package encode_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
	"trust-manager.io/test/framework/ca"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// certificate returns a CA certificate, with the same bytes in every run.
func certificate(number int64) certs.Certificate {
	// Names of different lengths, so that the base64 has each kind of ending.
	der := ca.Fixed(number, ca.Named("Root "+strings.Repeat("I", int(number)))).DER()
	return certs.Certificate{DER: der, Fingerprint: sha256.Sum256(der)}
}

func certificates(count int64) []certs.Certificate {
	var list []certs.Certificate
	for number := range count {
		list = append(list, certificate(number+1))
	}
	return list
}

// T1: the bytes of the file. A change of them rewrites every target in every cluster.
func TestPEMGolden(t *testing.T) {
	t.Parallel()
	const golden = "testdata/three.golden.pem"
	got := encode.PEM(certificates(3))
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
}

// T1: 64 columns, LF, no blank lines, a newline at the end, no comments; for DER that ends
// at any column.
func TestPEMLines(t *testing.T) {
	t.Parallel()
	for size := 1; size <= 200; size++ {
		der := bytes.Repeat([]byte{0xfb}, size)
		body := base64.StdEncoding.EncodeToString(der)
		want := "-----BEGIN CERTIFICATE-----\n"
		for len(body) > 64 {
			want, body = want+body[:64]+"\n", body[64:]
		}
		want += body + "\n-----END CERTIFICATE-----\n"
		got := encode.PEM([]certs.Certificate{{DER: der}, {DER: der}})
		if diff := cmp.Diff(want+want, string(got)); diff != "" {
			t.Fatalf("two certificates of %d bytes (-want +got):\n%s", size, diff)
		}
	}
}

// Without certificates the file is empty; package bundle ensures that it is never written
// (S9).
func TestPEMOfNothing(t *testing.T) {
	t.Parallel()
	if got := encode.PEM(nil); len(got) != 0 {
		t.Errorf("%d bytes, want none: %q", len(got), got)
	}
}

// The file keeps the order given, including duplicates: package bundle decides both.
func TestPEMKeepsTheOrder(t *testing.T) {
	t.Parallel()
	a, b := certificate(1), certificate(2)
	alone := func(c certs.Certificate) string { return string(encode.PEM([]certs.Certificate{c})) }
	want := alone(b) + alone(a) + alone(b)
	if diff := cmp.Diff(want, string(encode.PEM([]certs.Certificate{b, a, b}))); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
}

// The buffer is allocated once: the file of a large bundle is not copied while it grows.
func TestPEMReservesItsRoom(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 47, 48, 49, 500, 1000, 2000} {
		var list []certs.Certificate
		for range 1000 {
			list = append(list, certs.Certificate{DER: make([]byte, size)})
		}
		file := encode.PEM(list)
		if spare := cap(file) - len(file); spare > len(file)/4 {
			t.Errorf("%d bytes of DER each: %d bytes of %d are unused", size, spare, cap(file))
		}
	}
}

// T1: another reader finds as many certificates, with the same fingerprints.
func TestPEMReadByOpenSSL(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed; CI must not go without this test")
		}
		t.Skip("SKIPPED: openssl is not installed, so nothing but Go has read the file")
	}
	list := certificates(145)
	path := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(path, encode.PEM(list), 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := exec.CommandContext(t.Context(), openssl, "storeutl", "-noout", "-certs", path).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl storeutl: %v\n%s", err, output)
	}
	if want := fmt.Sprintf("Total found: %d", len(list)); !strings.Contains(string(output), want) {
		t.Errorf("openssl says %q, want %q", output, want)
	}
}
