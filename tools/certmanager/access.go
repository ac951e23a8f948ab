package main

import (
	"errors"
	"fmt"
	"os"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	aggregation "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// types returns a scheme with all types that this command and the CA injector
// use.
func types() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	builder := runtime.NewSchemeBuilder(
		clientgoscheme.AddToScheme, certmanager.AddToScheme, apiextensions.AddToScheme, aggregation.AddToScheme)
	return scheme, builder.AddToScheme(scheme)
}

// connect returns a client for the cluster.
func connect(kubeconfig string) (client.Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	scheme, err := types()
	if err != nil {
		return nil, err
	}
	return client.New(config, client.Options{Scheme: scheme})
}

// asAccount writes a kubeconfig that impersonates a service account, with only
// its permissions. The caller removes the file.
func asAccount(kubeconfig, account string) (path string, err error) {
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		return "", err
	}
	current, ok := config.Contexts[config.CurrentContext]
	if !ok {
		return "", fmt.Errorf("%s has no current context", kubeconfig)
	}
	user, ok := config.AuthInfos[current.AuthInfo]
	if !ok {
		return "", fmt.Errorf("%s has no user %q", kubeconfig, current.AuthInfo)
	}
	user.Impersonate = "system:serviceaccount:" + namespace + ":" + account
	file, err := os.CreateTemp("", "neighbours-*.kubeconfig")
	if err != nil {
		return "", err
	}
	return file.Name(), errors.Join(file.Close(), clientcmd.WriteToFile(*config, file.Name()))
}
