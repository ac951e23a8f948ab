package main

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// The kubeconfig of a service account impersonates it and is readable only by its
// owner.
func TestAsAccount(t *testing.T) {
	t.Parallel()
	admin := clientcmdapi.NewConfig()
	admin.Clusters["c"] = &clientcmdapi.Cluster{Server: "https://127.0.0.1:1"}
	admin.AuthInfos["admin"] = &clientcmdapi.AuthInfo{Token: "token"}
	admin.Contexts["now"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "admin"}
	admin.CurrentContext = "now"
	path := filepath.Join(t.TempDir(), "admin")
	if err := clientcmd.WriteToFile(*admin, path); err != nil {
		t.Fatal(err)
	}
	account, err := asAccount(path, "cert-manager")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(account)
	config, err := clientcmd.BuildConfigFromFlags("", account)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := config.Impersonate.UserName, "system:serviceaccount:cert-manager:cert-manager"; got != want {
		t.Errorf("it impersonates %q, want %q", got, want)
	}
	if info, err := os.Stat(account); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, mode %s", err, info.Mode())
	}

	admin.CurrentContext = "none"
	if err := clientcmd.WriteToFile(*admin, path); err != nil {
		t.Fatal(err)
	}
	if _, err := asAccount(path, "cert-manager"); err == nil {
		t.Error("a kubeconfig without a context is accepted")
	}
}
