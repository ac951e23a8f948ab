package localnode

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestCommandLine(t *testing.T) {
	root := t.TempDir()
	for _, file := range []string{"program", "data"} {
		if err := os.WriteFile(filepath.Join(root, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := place{root: root, mounts: map[string]string{"/tls": "/here/tls", "/tls/inner": "/here/inner"}}
	cases := map[string]struct {
		config    imageConfig
		container corev1.Container
		arguments []string
		want      []string
	}{
		"entry point and arguments of the image":          {config: imageConfig{Entrypoint: []string{"/program"}, Cmd: []string{"-x"}}, want: []string{root + "/program", "-x"}},
		"the pod's args replace the image's":              {config: imageConfig{Entrypoint: []string{"/program"}, Cmd: []string{"-x"}}, container: corev1.Container{Args: []string{"-y"}}, want: []string{root + "/program", "-y"}},
		"the pod's command replaces both":                 {config: imageConfig{Entrypoint: []string{"/other"}, Cmd: []string{"-x"}}, container: corev1.Container{Command: []string{"/program"}}, want: []string{root + "/program"}},
		"a path in a volume":                              {container: corev1.Container{Args: []string{"/program", "--dir=/tls", "/tls/a"}}, want: []string{root + "/program", "--dir=/here/tls", "/here/tls/a"}},
		"a path in a volume within another":               {container: corev1.Container{Args: []string{"/program", "/tls/inner/a"}}, want: []string{root + "/program", "/here/inner/a"}},
		"a path with a mount path as mere prefix":         {container: corev1.Container{Args: []string{"/program", "/tlsx"}}, want: []string{root + "/program", "/tlsx"}},
		"a path in the image":                             {container: corev1.Container{Args: []string{"/program", "--in=/data"}}, want: []string{root + "/program", "--in=" + root + "/data"}},
		"an argument that only looks like a path":         {container: corev1.Container{Args: []string{"/program", "--path=/readyz", "/"}}, want: []string{root + "/program", "--path=/readyz", "/"}},
		"variables, the last of a name, and unknown ones": {config: imageConfig{Env: []string{"A=1"}}, container: corev1.Container{Args: []string{"/program", "$(A)$(B)$(C)"}, Env: []corev1.EnvVar{{Name: "B", Value: "b$(A)"}, {Name: "A", Value: "2"}}}, want: []string{root + "/program", "2b1$(C)"}},
		"additional arguments are not translated":         {container: corev1.Container{Args: []string{"/program"}}, arguments: []string{"--config=$(CONFIG)", "/tls"}, want: []string{root + "/program", "--config=/c", "/tls"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			line, err := newCommandLine(c.config, &c.container, at, []string{"CONFIG=/c"}, c.arguments)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, line.args); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := newCommandLine(imageConfig{}, &corev1.Container{}, at, nil, nil); err == nil {
		t.Error("without a command: got no error")
	}
}
