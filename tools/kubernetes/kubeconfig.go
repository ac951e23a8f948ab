package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// kubeconfigMark is the first line of every kubeconfig written here. Only files
// that start with it are replaced: a user's own kubeconfig contains credentials
// of other clusters.
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

// kubeconfig returns a kubeconfig that embeds the API server's CA, and the client
// certificate and key stored under name in the PKI directory.
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

// publishKubeconfig writes text to file, unless file holds something that was not
// written here.
func publishKubeconfig(file string, text []byte) error {
	if err := replaceable(file); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return writeFile(file, text)
}

// replaceable returns an error if file exists and was not written here.
func replaceable(file string) error {
	old, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && len(old) > 0 && !bytes.HasPrefix(old, []byte(kubeconfigMark)) {
		err = errors.New("it was not written by this command")
	}
	if err != nil {
		return fmt.Errorf("cannot replace kubeconfig %s: %w; remove it or choose another file", file, err)
	}
	return nil
}

// withdrawKubeconfig removes file if its content is still text.
func withdrawKubeconfig(file string, text []byte) error {
	current, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) || err == nil && !bytes.Equal(current, text) {
		return nil
	} else if err != nil {
		return err
	}
	return os.Remove(file)
}

// writeFile atomically writes a file that only its owner can read.
func writeFile(file string, text []byte) error {
	temporary := file + ".new"
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}
