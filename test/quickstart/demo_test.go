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

// patience is many times what anything takes that is waited for here.
const patience = 60 * time.Second

// demo is a copy of the checkout, in which the demo is up.
type demo struct {
	*shell
	root string
}

// newDemo copies what is in the checkout, committed or not, and takes down the demo in
// the copy at the end.
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
			t.Errorf("a process is left: %s", left)
		}
	})
	return &demo{newShell(t, root), root}
}

func copyCheckout(t *testing.T, from, to string) {
	t.Helper()
	list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
	list.Dir = from
	names, err := list.Output()
	if err != nil {
		t.Fatalf("listing the files of the checkout: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		err := copyFile(filepath.Join(from, name), filepath.Join(to, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) { // it was deleted and that is not committed
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

// processes gives the processes whose program lies in a folder.
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

// get gives what kubectl prints, and "" if it fails.
func (d *demo) get(args ...string) string {
	command := exec.Command(filepath.Join(d.root, "bin", "kubectl"), append([]string{"--kubeconfig", filepath.Join(d.root, "bin", "kubeconfig.yaml")}, args...)...)
	text, err := command.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// held is what the Bundle of the documentation holds.
type held struct {
	certificates int
	last, id     string
}

// bundle reads the Bundle's target in the namespace "default".
func (d *demo) bundle() held {
	h := held{id: d.get("get", "bundle", "example-bundle", "-o", "jsonpath={.status.defaultCAVersion}")}
	text := []byte(d.get("get", "configmap", "example-bundle", "-o", `jsonpath={.data['trust-bundle\.pem']}`))
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			d.t.Fatal(err)
		}
		h.certificates++
		h.last = certificate.Subject.CommonName
	}
	return h
}

// awaitBundle waits until the Bundle holds so many certificates, the last of this
// name, with a default CA package whose id matches.
func (d *demo) awaitBundle(certificates int, last, packages string) {
	d.t.Helper()
	poll.EventuallyWithin(d.t, patience, "the bundle", func() error {
		got := d.bundle()
		named, err := regexp.MatchString(packages, got.id)
		if err == nil && (got.certificates != certificates || last != "" && got.last != last || !named) {
			err = fmt.Errorf("it has %d certificates, the last is %q, package %q; want %d, %q, %s", got.certificates, got.last, got.id, certificates, last, packages)
		}
		return err
	})
}

// edit does to a file of YAML what a block of it says: keys at the top of the block
// replace those of the file.
func (d *demo) edit(block string) {
	d.t.Helper()
	name, found := strings.CutPrefix(strings.SplitN(block, "\n", 2)[0], "# ")
	if !found {
		d.t.Fatalf("the first line of this does not name the file that it belongs to:\n%s", block)
	}
	path := filepath.Join(d.root, name)
	before, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatal(err)
	}
	after, err := merge(before, []byte(block))
	if err == nil && bytes.Equal(before, after) {
		err = errors.New("nothing has changed")
	}
	if err == nil {
		err = os.WriteFile(path, after, 0o600)
	}
	if err != nil {
		d.t.Fatalf("editing %s: %v", name, err)
	}
}
