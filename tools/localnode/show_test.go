package localnode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shown returns the files of a volume as a process reads them.
func shown(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "..") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(text)
	}
	return files
}

func TestShow(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "volume")
	var last string
	for _, want := range []map[string]string{{"a": "1", "b": "1"}, {"a": "2", "b": "1"}, {"b": "1", "c": ""}, {"b": "1", "c": ""}} {
		files := map[string][]byte{}
		for name, text := range want {
			files[name] = []byte(text)
		}
		if err := show(folder, files); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, shown(t, folder)); diff != "" {
			t.Error(diff)
		}
		now, err := os.Readlink(filepath.Join(folder, dataLink))
		if err != nil {
			t.Fatal(err)
		}
		if repeated := len(want) == 2 && want["c"] == "" && want["a"] == ""; !repeated && now == last {
			t.Error("the files were changed in place, so a reader may see some old and some new ones")
		}
		last = now
	}
	if old, err := filepath.Glob(filepath.Join(folder, "..content-*")); err != nil || len(old) != 1 {
		t.Errorf("content directories: %q, %v; want one", old, err)
	}
}

func TestShowUnchangedFiles(t *testing.T) {
	folder := t.TempDir()
	files := map[string][]byte{"a": []byte("1"), "deep/b": []byte("2")}
	var links [2]string
	for i := range links {
		if err := show(folder, files); err != nil {
			t.Fatal(err)
		}
		links[i], _ = os.Readlink(filepath.Join(folder, dataLink))
	}
	if links[0] != links[1] || links[0] == "" {
		t.Errorf("the link led to %q, and then to %q", links[0], links[1])
	}
	if text, err := os.ReadFile(filepath.Join(folder, "deep", "b")); err != nil || string(text) != "2" {
		t.Errorf("deep/b: %q, %v", text, err)
	}
	if err := show(filepath.Join(folder, "empty"), nil); err != nil || !exists(filepath.Join(folder, "empty")) {
		t.Errorf("an empty volume: %v", err)
	}
}
