package quickstart

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/suite"
)

const (
	quickstart  = "../../docs/guide/quickstart.md"
	maintaining = "../../docs/guide/maintaining.md"
	moving      = "../../docs/guide/clusterbundle.md"
	readme      = "../../README.md"
)

func TestMain(m *testing.M) {
	suite.Require("test/quickstart", "test-quickstart", suite.Requested("TEST_QUICKSTART"))
	for _, program := range []string{"bash", "make", "git", "jq", "openssl", "less"} {
		if _, err := exec.LookPath(program); err != nil {
			fmt.Fprintf(os.Stderr, "test/quickstart: these tests require %s, as the documentation states; install it\n", program)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// play runs the fences of a page. Each check is called with the output of the
// block that contains its text, of which there must be exactly one.
func (d *demo) play(fences []fence, checks map[string]func(printed string)) {
	d.t.Helper()
	done := map[string]int{}
	for _, f := range fences {
		var printed string
		switch f.language {
		case "":
			printed = d.run(f.text)
		case "yaml":
			// An indented block is a fragment of the reader's own manifest.
			if !strings.HasPrefix(f.text, " ") {
				d.edit(f.text)
			}
		default:
			d.t.Fatalf("unexpected language %q of a block", f.language)
		}
		for text, check := range checks {
			if strings.Contains(f.text, text) {
				done[text]++
				check(printed)
			}
		}
	}
	for text := range checks {
		if done[text] != 1 {
			d.t.Errorf("%d blocks contain %q, want one", done[text], text)
		}
	}
}

// The quick start, the first Bundle of the README, and the pages on maintenance and ClusterBundles
// work as typed, one after another, on the cluster that `make demo` starts.
func TestDocumentationWorksAsTyped(t *testing.T) {
	d := newDemo(t)
	start := readPage(t, quickstart, "")
	up, start, down := start[0], start[1:len(start)-1], start[len(start)-1]
	if up.text != "make demo\n" || down.text != "make demo-down\n" {
		t.Fatalf("the quick start starts with %q and ends with %q", up.text, down.text)
	}
	printed := d.run(up.text)
	d.run(d.hint(printed, `export PATH=".*"`))
	roots := d.bundle()
	if roots.certificates < 100 || roots.id == "" {
		t.Fatalf("after make demo: %+v; want the public roots", roots)
	}
	any := regexp.QuoteMeta(roots.id)

	d.play(readPage(t, readme, "First Bundle"), map[string]func(string){
		"kind: Bundle": func(string) { d.awaitBundle(roots.certificates+1, "my org", any) },
	})
	d.play(start, map[string]func(string){
		"less\n":                           func(printed string) { d.expectPrinted(printed, "example-bundle", "-----END CERTIFICATE-----") },
		"kind: Certificate":                func(printed string) { d.expectPrinted(printed, "condition met") },
		"base64 -d":                        func(printed string) { d.expectPrinted(printed, "-----BEGIN CERTIFICATE-----") },
		"key: \"tls.crt\"":                 func(string) { d.awaitBundle(roots.certificates+1, "trust-manager-example-ca", any) },
		"openssl pkcs7":                    func(printed string) { d.expectPrinted(printed, "CN", "trust-manager-example-ca") },
		"- useDefaultCAs: true\n  target:": func(string) { d.awaitBundle(roots.certificates, roots.last, any) },
	})
	d.maintain(roots)
	d.move()
	d.again()
	d.run(down.text)
	for _, left := range processes(d.root) {
		t.Errorf("after make demo-down a process is still running: %s", left)
	}
}

// maintain follows the page on maintenance, first as written, and then with a tag
// that does not exist, up to the rollback.
func (d *demo) maintain(roots content) {
	d.t.Helper()
	const tag, wrong = "20990101", "20990102"
	var upgrade, repair []fence
	for _, f := range readPage(d.t, maintaining, "") {
		if strings.Contains(f.text, "get pods") || len(repair) > 0 {
			repair = append(repair, f)
		} else {
			upgrade = append(upgrade, f)
		}
	}
	// The package has one root less, and the Bundle contains the CA of the quick
	// start.
	upgraded := func(string) { d.awaitBundle(roots.certificates, "trust-manager-example-ca", "^mozilla-"+tag+"-") }
	d.play(steps(upgrade, "XYZ", tag), map[string]func(string){
		"jq .defaultPackageImage": func(printed string) { d.expectPrinted(printed, roots.id, `"tag"`) },
		"helm upgrade":            upgraded,
	})
	process := d.process()

	before, edit, after := split(d.t, readPage(d.t, maintaining, "Upgrading the default CA package"))
	d.run(before)
	d.edit(strings.ReplaceAll(edit, "XYZ", wrong))
	// The rollout does not finish, so it is interrupted.
	d.run(strings.ReplaceAll(after, "kubectl rollout status", "! timeout 10 kubectl rollout status"))
	if printed := d.run(repair[0].text); !strings.Contains(printed, "ErrImagePull") {
		d.t.Errorf("with a wrong tag, want ErrImagePull among the pods:\n%s", printed)
	}
	upgraded("")
	if now := d.process(); now != process {
		d.t.Errorf("with a wrong tag the operator is process %s; it was %s", now, process)
	}
	d.run("kubectl annotate bundle example-bundle changed=yes") // requires that the webhook responds
	d.play(repair[1:], map[string]func(string){"helm rollback": upgraded})
	poll.EventuallyWithin(d.t, patience, "one pod", func() error {
		if pods := d.get("get", "pods", "-n", "cert-manager", "-o", "name"); strings.Count(pods, "pod/") != 1 {
			return fmt.Errorf("got %q", pods)
		}
		return nil
	})
}

// move follows the page on ClusterBundles: a Bundle moves there and back, and its target in the
// namespace "default" stays the same object.
func (d *demo) move() {
	d.t.Helper()
	target := func() string {
		return d.get("get", "configmap", "example-bundle", "-o", `jsonpath={.metadata.uid} {.metadata.ownerReferences[*].kind}`)
	}
	uid, _, _ := strings.Cut(target(), " ")
	d.play(readPage(d.t, moving, ""), map[string]func(string){
		"kubectl delete bundle example-bundle": func(string) {
			if now := target(); now != uid+" ClusterBundle" {
				d.t.Errorf("the target of a ClusterBundle is %q; it was %s", now, uid)
			}
		},
		"--cascade=orphan": func(string) {
			if now := target(); now != uid+" Bundle" {
				d.t.Errorf("the target after the move back is %q; it was %s", now, uid)
			}
		},
	})
}

// split returns the commands before and after the edit of a file, without those
// that build the package.
func split(t *testing.T, fences []fence) (before, edit, after string) {
	t.Helper()
	for _, f := range fences {
		switch {
		case f.language == "yaml":
			edit = f.text
		case edit == "" && !strings.Contains(f.text, "demo-package"):
			before += f.text
		case strings.Contains(f.text, "helm upgrade"):
			after = f.text
		}
	}
	if before == "" || edit == "" || after == "" {
		t.Fatal("the page has no commands that save the values, an edit of them, and an upgrade")
	}
	return before, edit, after
}

// again runs make demo a second time, which must change nothing.
func (d *demo) again() {
	d.t.Helper()
	state := func() string {
		return d.process() + " " + d.get("get", "bundle", "example-bundle", "-o", "jsonpath={.metadata.resourceVersion}") + " " + d.get("get", "secrets", "-A", "-l", "owner=helm", "-o", "name")
	}
	before := state()
	d.run("make demo")
	if after := state(); after != before {
		d.t.Errorf("a second make demo has changed the state to %s; before: %s", after, before)
	}
}

// process returns the single process of the operator.
func (d *demo) process() string {
	d.t.Helper()
	var found string
	poll.EventuallyWithin(d.t, patience, "one operator", func() error {
		var operators []string
		for _, p := range processes(d.root) {
			if strings.HasSuffix(p, "/trust-manager") {
				operators = append(operators, p)
			}
		}
		if len(operators) != 1 {
			return fmt.Errorf("got %q", operators)
		}
		found = operators[0]
		return nil
	})
	return found
}

// hint returns the command in the output that the user is asked to run.
func (d *demo) hint(printed, pattern string) string {
	d.t.Helper()
	found := regexp.MustCompile(pattern).FindString(printed)
	if found == "" {
		d.t.Fatal(errors.New("no " + pattern + " in the output of make demo:\n" + tail(printed)))
	}
	return found
}

func (d *demo) expectPrinted(printed string, wanted ...string) {
	d.t.Helper()
	for _, want := range wanted {
		if !strings.Contains(printed, want) {
			d.t.Errorf("no %q in:\n%s", want, tail(printed))
		}
	}
}
