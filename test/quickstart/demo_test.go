package quickstart

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"trust-manager.io/test/framework/poll"
)

// patience is many times the usual duration of any step.
const patience = 60 * time.Second

// demo is a copy of the checkout in which the demo is running.
type demo struct {
	*shell
	root string
}

// newDemo copies the checkout, including uncommitted files, and stops the demo in
// the copy at the end of the test.
func newDemo(t *testing.T) *demo {
	t.Helper()
	root := filepath.Join(t.TempDir(), "trust-manager")
	copyCheckout(t, "../..", root)
	t.Cleanup(func() {
		down := exec.Command("make", "demo-down")
		down.Dir = root
		if text, err := down.CombinedOutput(); err != nil {
			t.Errorf("make demo-down: %v\n%s", err, text)
		}
		for _, left := range processes(root) {
			t.Errorf("a process is still running: %s", left)
		}
	})
	return &demo{newShell(t, root), root}
}

// copyCheckout copies the files that are tracked by git or not ignored.
func copyCheckout(t *testing.T, source, target string) {
	t.Helper()
	list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
	list.Dir = source
	names, err := list.Output()
	if err != nil {
		t.Fatalf("listing the files of the checkout: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		err := copyFile(filepath.Join(source, name), filepath.Join(target, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a deletion that is not committed
			t.Fatal(err)
		}
	}
}

func copyFile(from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close() //nolint:errcheck // only read
	info, err := source.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

// processes returns the processes whose program is in a directory.
func processes(folder string) []string {
	var found []string
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if program, err := os.Readlink(link); err == nil && strings.HasPrefix(program, folder+"/") {
			found = append(found, filepath.Dir(link)+" "+program)
		}
	}
	return found
}

// get returns the output of kubectl, or "" if it fails.
func (d *demo) get(args ...string) string {
	command := exec.Command(filepath.Join(d.root, "bin", "kubectl"), append([]string{"--kubeconfig", filepath.Join(d.root, "bin", "kubeconfig.yaml")}, args...)...)
	text, err := command.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// content describes the content of the documentation's Bundle.
type content struct {
	certificates int
	last, id     string
}

// bundle returns the content of the Bundle's target in the namespace "default".
func (d *demo) bundle() content {
	c := content{id: d.get("get", "bundle", "example-bundle", "-o", "jsonpath={.status.defaultCAVersion}")}
	text := []byte(d.get("get", "configmap", "example-bundle", "-o", `jsonpath={.data['trust-bundle\.pem']}`))
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			d.t.Fatal(err)
		}
		c.certificates++
		c.last = certificate.Subject.CommonName
	}
	return c
}

// awaitBundle waits until the Bundle contains the given number of certificates,
// the last of which has the given name (if not empty), and a default CA package
// whose ID matches.
func (d *demo) awaitBundle(certificates int, last, packages string) {
	d.t.Helper()
	poll.EventuallyWithin(d.t, patience, "the bundle", func() error {
		got := d.bundle()
		named, err := regexp.MatchString(packages, got.id)
		if err == nil && (got.certificates != certificates || last != "" && got.last != last || !named) {
			err = fmt.Errorf("got %d certificates, the last one %q, package %q; want %d, %q, %s", got.certificates, got.last, got.id, certificates, last, packages)
		}
		return err
	})
}

// edit merges a YAML block into the file named in the block's first line.
// Top-level keys of the block replace those of the file.
func (d *demo) edit(block string) {
	d.t.Helper()
	name, found := strings.CutPrefix(strings.SplitN(block, "\n", 2)[0], "# ")
	if !found {
		d.t.Fatalf("the first line does not name the file to edit:\n%s", block)
	}
	path := filepath.Join(d.root, name)
	before, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatal(err)
	}
	after, err := merge(before, []byte(block))
	if err == nil && bytes.Equal(before, after) {
		err = errors.New("the edit changes nothing")
	}
	if err == nil {
		err = os.WriteFile(path, after, 0o600)
	}
	if err != nil {
		d.t.Fatalf("editing %s: %v", name, err)
	}
}
