package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// kubeconfigMark is the first line of every kubeconfig written here. Only a file
// that starts with it is ever replaced: a user's own holds keys to other places.
const kubeconfigMark = "# Written by tools/kubernetes. It may be replaced and removed by that command.\n"

const kubeconfigText = kubeconfigMark + `apiVersion: v1
kind: Config
clusters:
- name: test-cluster
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %s
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: test-cluster
  context:
    cluster: test-cluster
    user: %[3]s
current-context: test-cluster
`

// kubeconfig returns a kubeconfig that embeds the authority of the API server
// and the client certificate and key that the PKI folder holds under name.
func kubeconfig(server, pki, name string) ([]byte, error) {
	var embedded [3]string
	for i, file := range []string{"ca.crt", name + ".crt", name + ".key"} {
		text, err := os.ReadFile(filepath.Join(pki, file))
		if err != nil {
			return nil, err
		}
		embedded[i] = base64.StdEncoding.EncodeToString(text)
	}
	return fmt.Appendf(nil, kubeconfigText, server, embedded[0], name, embedded[1], embedded[2]), nil
}

// publishKubeconfig writes text to the file that the user asked for, unless it
// holds something that was not written here.
func publishKubeconfig(file string, text []byte) error {
	if err := replaceable(file); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return writeFile(file, text)
}

// replaceable returns an error if file is somebody else's.
func replaceable(file string) error {
	old, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && len(old) > 0 && !bytes.HasPrefix(old, []byte(kubeconfigMark)) {
		err = errors.New("it holds something else")
	}
	if err != nil {
		return fmt.Errorf("kubeconfig %s can't be replaced: %w; remove it or choose another file", file, err)
	}
	return nil
}

// withdrawKubeconfig removes the file if it still holds text.
func withdrawKubeconfig(file string, text []byte) error {
	now, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) || err == nil && !bytes.Equal(now, text) {
		return nil
	} else if err != nil {
		return err
	}
	return os.Remove(file)
}

// writeFile puts a whole file in place at once, readable by its owner only.
func writeFile(file string, text []byte) error {
	fresh := file + ".new"
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, file)
}
