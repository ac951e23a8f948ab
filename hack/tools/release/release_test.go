package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trust-manager.io/hack/tools/spdx"
)

func write(t *testing.T, folder, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, folder, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// archive returns an archive of the command line whose program is this test.
func archive(t *testing.T, program string) []byte {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	compressed := gzip.NewWriter(&text)
	writer := tar.NewWriter(compressed)
	for name, content := range map[string][]byte{"./LICENSE": []byte("license"), "./" + program: data} {
		if err := writer.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := compressed.Close(); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// TestBills checks that each archive gets a bill of materials with the modules of its program,
// its digest and the time of the commit.
func TestBills(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	folder := t.TempDir()
	write(t, folder, "kubectl-trust-1.2.3-linux-amd64.tar.gz", archive(t, "kubectl-trust"))
	write(t, folder, "kubectl-trust-1.2.3-windows-amd64.tar.gz", archive(t, "kubectl-trust.exe"))
	if err := run([]string{"bills", "--version", "1.2.3", "--revision", "abc", folder}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kubectl-trust-1.2.3-linux-amd64", "kubectl-trust-1.2.3-windows-amd64"} {
		var document spdx.Document
		if err := json.Unmarshal(read(t, folder, name+".spdx.json"), &document); err != nil {
			t.Fatal(err)
		}
		if subject := document.Packages[0]; subject.FileName != name+".tar.gz" || subject.Version != "1.2.3" || len(subject.Checksums) != 1 {
			t.Errorf("%s: the subject is %+v", name, subject)
		}
		if document.Creation.Created != "2023-11-14T22:13:20Z" {
			t.Errorf("%s: created %s", name, document.Creation.Created)
		}
		own := func(p spdx.Package) bool { return p.Name == "trust-manager.io/hack/tools" && p.Version == "abc" }
		if !slices.ContainsFunc(document.Packages, own) || len(document.Relationships) != len(document.Packages) {
			t.Errorf("%s: the packages are %+v", name, document.Packages)
		}
	}
}

// TestBillsRefuse checks that a release without archives, or with a broken one, is an error.
func TestBillsRefuse(t *testing.T) {
	args := func(folder string) []string { return []string{"bills", "--version", "1", "--revision", "abc", folder} }
	if run(args(t.TempDir())) == nil {
		t.Error("no archive is accepted")
	}
	folder := t.TempDir()
	write(t, folder, "kubectl-trust-1-linux-amd64.tar.gz", archive(t, "other"))
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	if err := run(args(folder)); err == nil || !strings.Contains(err.Error(), "no program") {
		t.Errorf("an archive without the program: %v", err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "")
	if err := run(args(folder)); err == nil || !strings.Contains(err.Error(), "SOURCE_DATE_EPOCH") {
		t.Errorf("without the time of the commit: %v", err)
	}
	if run(nil) == nil || run([]string{"bills", folder}) == nil || run([]string{"provenance", folder}) == nil {
		t.Error("missing arguments are accepted")
	}
}

// described returns a folder with an image, a default CA package and a manifest.
func described(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	write(t, folder, "install.yaml", []byte("kind: Namespace\n"))
	write(t, folder, "images.txt", []byte("trust-manager.io/images/trust-manager:1.2.3 sha256:0123 trust-manager-1.2.3.oci.tar\n"))
	for name, sum := range map[string]string{"debian": "sha256:4567", "mozilla": "h1:AQID"} {
		text, err := spdx.New("n", "t", time.Unix(0, 0), spdx.Package{ID: "SPDXRef-image"}, []spdx.Package{
			{ID: spdx.CertificatesID, SourceInfo: sum, References: spdx.PURL("pkg:generic/" + name)},
		}).Encode()
		if err != nil {
			t.Fatal(err)
		}
		write(t, folder, "trust-pkg-"+name+"-1.spdx.json", text)
	}
	return folder
}

var provenanceArgs = []string{"provenance", "--version", "1.2.3", "--revision", "abc", "--tag", "v1.2.3", "--go", "go1.26.1", "--architectures", "amd64 arm64", "--platforms", "linux/amd64"}

// TestProvenance checks the statement: each file and each image is a subject, the commit and the
// sources of the certificates are dependencies, and a second run changes nothing.
func TestProvenance(t *testing.T) {
	t.Parallel()
	folder := described(t)
	if err := run(append(slices.Clone(provenanceArgs), folder)); err != nil {
		t.Fatal(err)
	}
	text := read(t, folder, provenanceFile)
	var got statement
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Type != "https://in-toto.io/Statement/v1" || got.PredicateType != "https://slsa.dev/provenance/v1" {
		t.Errorf("types %q, %q", got.Type, got.PredicateType)
	}
	var names []string
	for _, subject := range got.Subject {
		names = append(names, subject.Name)
	}
	if want := []string{"images.txt", "install.yaml", "trust-pkg-debian-1.spdx.json", "trust-pkg-mozilla-1.spdx.json", "trust-manager.io/images/trust-manager:1.2.3"}; !slices.Equal(names, want) {
		t.Errorf("subjects %q, want %q", names, want)
	}
	sum := sha256.Sum256(read(t, folder, "install.yaml"))
	if digest := got.Subject[1].Digest["sha256"]; digest != hex.EncodeToString(sum[:]) {
		t.Errorf("digest %q", digest)
	}
	var inputs []string
	for _, input := range got.Predicate.BuildDefinition.ResolvedDependencies {
		for algorithm, digest := range input.Digest {
			inputs = append(inputs, input.URI+" "+algorithm+":"+digest)
		}
	}
	if want := []string{"git+https://trust-manager.io@refs/tags/v1.2.3 gitCommit:abc", "pkg:generic/debian sha256:4567", "pkg:generic/mozilla dirHash:010203"}; !slices.Equal(inputs, want) {
		t.Errorf("inputs %q, want %q", inputs, want)
	}
	if err := run(append(slices.Clone(provenanceArgs), folder)); err != nil || !bytes.Equal(text, read(t, folder, provenanceFile)) {
		t.Errorf("a second run: %v, or another statement", err)
	}
}

// TestProvenanceRefuses checks that a release whose parts cannot be described is an error.
func TestProvenanceRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(folder string){
		"no list of images":   func(folder string) { write(t, folder, "images.txt", nil) },
		"an incomplete line":  func(folder string) { write(t, folder, "images.txt", []byte("image sha256:0123\n")) },
		"an unknown sum":      func(folder string) { replace(t, folder, "sha256:4567", "md5:4567") },
		"no bill":             func(folder string) { write(t, folder, "trust-pkg-debian-1.spdx.json", []byte("x")) },
		"a folder in between": func(folder string) { _ = os.Mkdir(filepath.Join(folder, "sub"), 0o750) },
	} {
		folder := described(t)
		change(folder)
		if err := run(append(slices.Clone(provenanceArgs), folder)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func replace(t *testing.T, folder, before, after string) {
	t.Helper()
	const name = "trust-pkg-debian-1.spdx.json"
	write(t, folder, name, []byte(strings.ReplaceAll(string(read(t, folder, name)), before, after)))
}
