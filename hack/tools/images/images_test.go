package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trust-manager.io/hack/tools/spdx"
)

const bundleText = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

// programFor builds a small static program.
func programFor(t *testing.T, architecture string) []byte {
	t.Helper()
	folder := t.TempDir()
	write(t, folder, "go.mod", "module example.com/program\ngo 1.26\n")
	write(t, folder, "main.go", "package main\n\nfunc main() { println(\"works\") }\n")
	command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", "program", ".")
	command.Dir = folder
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=-buildvcs=false", "GOWORK=off", "GOARCH="+architecture)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	data, err := os.ReadFile(filepath.Join(folder, "program"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// inputs returns a folder of programs for both architectures and a folder of packages.
func inputs(t *testing.T) (binaries, packages string) {
	t.Helper()
	binaries, packages = t.TempDir(), t.TempDir()
	for _, architecture := range []string{"amd64", "arm64"} {
		program := string(programFor(t, architecture))
		write(t, binaries, architecture+"/trust-manager", program)
		write(t, binaries, architecture+"/trust-package-copy", program)
	}
	text, err := json.Marshal(map[string]string{"name": "debian", "version": "2025~deb+1", "bundle": bundleText})
	if err != nil {
		t.Fatal(err)
	}
	write(t, packages, "trust-pkg-debian.json", string(text))
	write(t, packages, "trust-pkg-debian.source", "ca-certificates 2025~deb+1 pkg:deb/debian/ca-certificates sha256:abc\n")
	return binaries, packages
}

// Each architecture has its platform in the index; 32-bit Arm is version 7.
func TestPlatforms(t *testing.T) {
	t.Parallel()
	r := recipe{name: "n", version: "1", programs: map[string]file{}}
	for architecture := range machines {
		r.programs[architecture] = file{copierPath, 0o755, []byte("program")}
	}
	index, err := r.index()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, entry := range manifest.Manifests {
		platforms = append(platforms, entry.Platform.String())
	}
	if want := []string{"linux/amd64", "linux/arm/v7", "linux/arm64", "linux/ppc64le", "linux/s390x"}; !slices.Equal(platforms, want) {
		t.Errorf("platforms %q, want %q", platforms, want)
	}
}

func buildAll(t *testing.T, binaries, packages string) string {
	t.Helper()
	out := t.TempDir()
	err := run([]string{"build", "--binaries", binaries, "--packages", packages, "--out", out, "--version", "1.2.3", "--revision", "abc"})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestBuild checks that the same input produces the same files, byte for byte, that they
// pass the check under the names that the chart uses, and that unpacking returns the
// packed files (D4).
func TestBuild(t *testing.T) {
	t.Parallel()
	binaries, packages := inputs(t)
	one, other := buildAll(t, binaries, packages), buildAll(t, binaries, packages)
	for _, name := range []string{"trust-manager.tar", "trust-manager.spdx.json", "trust-pkg-debian.tar", "trust-pkg-debian.spdx.json"} {
		if read(t, one, name) != read(t, other, name) {
			t.Errorf("%s differs between two builds", name)
		}
	}
	for name, reference := range map[string]string{"trust-manager": "trust-manager:1.2.3", "trust-pkg-debian": "trust-pkg-debian:2025-deb-1"} {
		found, err := check(filepath.Join(one, name+".tar"), []string{"arm64", "amd64"})
		if err != nil || !strings.HasPrefix(found, "trust-manager.io/images/"+reference+" sha256:") {
			t.Errorf("%s: %s, %v", name, found, err)
		}
	}
	root := filepath.Join(t.TempDir(), "root")
	if err := unpack(filepath.Join(one, "trust-pkg-debian.tar"), "arm64", root); err != nil {
		t.Fatal(err)
	}
	if read(t, root, packagePath) != read(t, packages, "trust-pkg-debian.json") || read(t, root, copierPath) != read(t, binaries, "arm64/trust-package-copy") {
		t.Error("unpacked files differ from packed files")
	}
	if err := unpack(filepath.Join(one, "trust-pkg-debian.tar"), "s390x", root); err == nil {
		t.Error("a missing architecture is unpacked")
	}
}

func read(t *testing.T, folder, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestBill checks that the bill of materials names the modules of the programs, the
// source of the certificates, and the image by its digest; each element occurs once and
// is related to the image.
func TestBill(t *testing.T) {
	t.Parallel()
	binaries, packages := inputs(t)
	out := buildAll(t, binaries, packages)
	var bill spdx.Document
	if err := json.Unmarshal([]byte(read(t, out, "trust-pkg-debian.spdx.json")), &bill); err != nil {
		t.Fatal(err)
	}
	var names []string
	ids := map[string]bool{}
	for _, material := range bill.Packages {
		names = append(names, material.Name)
		if ids[material.ID] {
			t.Errorf("%s occurs twice", material.ID)
		}
		ids[material.ID] = true
	}
	if got, want := strings.Join(names, " "), "trust-manager.io/images/trust-pkg-debian example.com/program stdlib ca-certificates"; got != want {
		t.Errorf("materials %s, want %s", got, want)
	}
	if len(bill.Relationships) != len(bill.Packages) {
		t.Errorf("%d relationships for %d packages", len(bill.Relationships), len(bill.Packages))
	}
	found, err := check(filepath.Join(out, "trust-pkg-debian.tar"), []string{"amd64", "arm64"})
	if digest := found[strings.LastIndex(found, ":")+1:]; err != nil || !strings.HasSuffix(bill.Namespace, digest) {
		t.Errorf("namespace %s, image %s, %v", bill.Namespace, found, err)
	}
	if last := bill.Packages[len(bill.Packages)-1]; last.Version != "2025~deb+1" || last.SourceInfo != "sha256:abc" {
		t.Errorf("certificates %+v", last)
	}
}

// TestCheckRefuses checks that a check fails for invalid images.
func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	amd64, arm64 := programFor(t, "amd64"), programFor(t, "arm64")
	content := file{packagePath, 0o644, []byte(`{"name":"n","version":"v","bundle":` + string(must(json.Marshal(bundleText))) + `}`)}
	image := func() recipe {
		return recipe{
			name: "trust-pkg-test", version: "1", revision: "abc", content: []file{content},
			programs: map[string]file{"amd64": {copierPath, 0o755, amd64}, "arm64": {copierPath, 0o755, arm64}},
		}
	}
	for name, tc := range map[string]struct {
		change func(*recipe)
		want   string
	}{
		"nothing":                            {func(*recipe) {}, ""},
		"a shell":                            {func(r *recipe) { r.content = append(r.content, file{"bin/sh", 0o755, amd64}) }, "bin/sh"},
		"no package":                         {func(r *recipe) { r.content = nil }, "want"},
		"a package with more fields":         {func(r *recipe) { r.content[0].data = []byte(`{"name":"n","version":"v","bundle":"x","more":"m"}`) }, "package"},
		"a file that all users may change":   {func(r *recipe) { r.content[0].mode = 0o666 }, "change"},
		"a dynamic program":                  {func(r *recipe) { r.programs["amd64"] = file{copierPath, 0o755, dynamic(amd64)} }, "static"},
		"a program for another architecture": {func(r *recipe) { r.programs["amd64"] = r.programs["arm64"] }, "EM_AARCH64"},
		"a script": {func(r *recipe) {
			r.programs["amd64"] = file{copierPath, 0o755, []byte("#!/bin/sh\n" + strings.Repeat("true\n", 20))}
		}, "bad magic"},
		"one architecture": {func(r *recipe) { delete(r.programs, "arm64") }, "architectures"},
		"no revision":      {func(r *recipe) { r.revision = "" }, "revision"},
		"another name":     {func(r *recipe) { r.name = "other" }, "named"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := image()
			r.content = append([]file(nil), content)
			tc.change(&r)
			index, err := r.index()
			if err != nil {
				t.Fatal(err)
			}
			archive := filepath.Join(t.TempDir(), "trust-pkg-test.tar")
			if err := r.write(index, archive); err != nil {
				t.Fatal(err)
			}
			_, err = check(archive, []string{"amd64", "arm64"})
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// dynamic returns an ELF file that requires an interpreter: it changes the type of the
// first program header, which is at offset 64.
func dynamic(program []byte) []byte {
	changed := append([]byte(nil), program...)
	const ptInterp = 3
	changed[64] = ptInterp
	return changed
}

// TestBuildRefuses checks that missing and invalid inputs are rejected.
func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, binaries, packages string){
		"no programs":   func(t *testing.T, binaries, _ string) { remove(t, binaries, "amd64", "arm64") },
		"no version":    func(t *testing.T, _, packages string) { write(t, packages, "trust-pkg-debian.json", `{"name":"n"}`) },
		"no JSON":       func(t *testing.T, _, packages string) { write(t, packages, "trust-pkg-debian.json", "x") },
		"no source":     func(t *testing.T, _, packages string) { remove(t, packages, "trust-pkg-debian.source") },
		"half a source": func(t *testing.T, _, packages string) { write(t, packages, "trust-pkg-debian.source", "a b") },
		"no Go program": func(t *testing.T, binaries, _ string) { write(t, binaries, "amd64/trust-manager", "x") },
		"no copiers": func(t *testing.T, binaries, _ string) {
			remove(t, binaries, "arm64/trust-package-copy", "amd64/trust-package-copy")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			binaries, packages := inputs(t)
			change(t, binaries, packages)
			err := run([]string{"build", "--binaries", binaries, "--packages", packages, "--out", t.TempDir(), "--version", "1", "--revision", "abc"})
			if err == nil {
				t.Error("accepted")
			}
		})
	}
	if run([]string{"build"}) == nil || run([]string{"check", t.TempDir()}) == nil || run(nil) == nil || run([]string{"unpack"}) == nil {
		t.Error("missing arguments are accepted")
	}
}

func remove(t *testing.T, folder string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
}
