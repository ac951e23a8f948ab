package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestKubeconfigEmbedsAuthorityAndClient(t *testing.T) {
	dir := t.TempDir()
	if err := writePKI(dir, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	got, err := kubeconfig("https://127.0.0.1:1234", dir, "admin")
	if err != nil {
		t.Fatal(err)
	}
	for field, file := range map[string]string{
		"certificate-authority-data": "ca.crt",
		"client-certificate-data":    "admin.crt",
		"client-key-data":            "admin.key",
	} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if want := field + ": " + base64.StdEncoding.EncodeToString(text) + "\n"; !strings.Contains(string(got), want) {
			t.Errorf("%s does not contain %s", field, file)
		}
	}
	for _, want := range []string{"server: https://127.0.0.1:1234\n", "current-context: test-cluster\n", "user: admin\n"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
}

func TestPublishKubeconfig(t *testing.T) {
	const text = kubeconfigMark + "new\n"
	cases := map[string]struct {
		old     *string
		refused bool
	}{
		"no file yet":                     {nil, false},
		"an empty file":                   {pointer(""), false},
		"a file written here is replaced": {pointer(kubeconfigMark + "old\n"), false},
		"a user's own file is kept":       {pointer("apiVersion: v1\nkind: Config\n"), true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "new", "config")
			if c.old != nil {
				place(t, file, *c.old)
			}
			err := publishKubeconfig(file, []byte(text))
			if (err != nil) != c.refused {
				t.Fatalf("got error %v, want refused: %v", err, c.refused)
			}
			want := text
			if c.refused {
				want = *c.old
			}
			if got := contents(t, file); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestPublishedKubeconfigIsPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := publishKubeconfig(file, []byte("x")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, want 0600", info.Mode())
	}
}

func TestWithdrawKubeconfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := withdrawKubeconfig(file, []byte("mine")); err != nil {
		t.Errorf("no file: %v", err)
	}
	place(t, file, "another cluster's")
	if err := withdrawKubeconfig(file, []byte("mine")); err != nil || contents(t, file) != "another cluster's" {
		t.Errorf("foreign file: error %v, now %q; want it unchanged", err, contents(t, file))
	}
	place(t, file, "mine")
	if err := withdrawKubeconfig(file, []byte("mine")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("own file: got %v, want it removed", err)
	}
}

func pointer(s string) *string { return &s }

func place(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func contents(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
