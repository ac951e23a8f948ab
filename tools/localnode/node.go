package localnode

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Options configure a node.
type Options struct {
	// Name is the name of the Node.
	Name string
	// Namespace restricts the node to the pods of one namespace. If empty, it runs
	// the pods of all namespaces.
	Namespace string
	// Images is the directory of the OCI archives, and Dir the directory of the
	// node's own files.
	Images, Dir string
	// Arguments are appended to the command line of each main container. They replace
	// what a container finds in its file system and a process does not. $(NAME) in
	// them refers to a variable of the process, such as KUBECONFIG.
	Arguments []string
}

// Node runs pods as processes of this machine.
type Node struct {
	options Options
	objects client.Client
	// server is the URL of the API server.
	server  string
	address string
	prober  *http.Client
	starter *starter
	turns   *turns
	log     *slog.Logger
	// ending is closed when the node is to stop.
	ending <-chan struct{}

	mu      sync.Mutex
	running map[types.UID]*running
	arrived int
	group   sync.WaitGroup
}

// running is a pod that this node has accepted.
type running struct {
	stop context.CancelFunc
	// leaving reports whether the pod is being stopped.
	leaving bool
	done    chan struct{}
}

// Run runs a node until ctx ends, and then stops its processes. It logs its
// actions to log.
func Run(ctx context.Context, config *rest.Config, options Options, log *slog.Logger) error {
	address, err := machineAddress()
	if err != nil {
		return err
	}
	n := &Node{
		options: options, server: config.Host, address: address, log: log, ending: ctx.Done(),
		starter: newStarter(), turns: newTurns(), running: map[types.UID]*running{},
		// As with a kubelet, a probe does not verify the certificate.
		prober: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}},
	}
	objects, err := n.connect(config)
	if err != nil {
		return err
	}
	defer n.group.Wait() // waits for the processes to end
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 2)
	go func() { failed <- objects.Start(ctx) }()
	if err := n.register(ctx); err != nil {
		return err
	}
	go func() { failed <- n.renewLease(ctx) }()
	if err := n.watch(ctx, objects); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
}

// connect creates the client, which reads pods, Secrets and ConfigMaps from the
// returned cache.
func (n *Node) connect(config *rest.Config) (cache.Cache, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server limits requests itself
	caching := cache.Options{Scheme: scheme.Scheme}
	if n.options.Namespace != "" {
		caching.DefaultNamespaces = map[string]cache.Config{n.options.Namespace: {}}
	}
	objects, err := cache.New(config, caching)
	if err != nil {
		return nil, err
	}
	n.objects, err = client.New(config, client.Options{Scheme: scheme.Scheme, Cache: &client.CacheOptions{
		Reader: objects, DisableFor: []client.Object{&corev1.Node{}},
	}})
	return objects, err
}

// Validate returns an error that lists the missing and invalid options.
func (o Options) Validate() error {
	var errs []error
	for flag, value := range map[string]string{"--name": o.Name, "--images": o.Images, "--dir": o.Dir} {
		if value == "" {
			errs = append(errs, fmt.Errorf("%s is missing", flag))
		} else if flag != "--name" && !filepath.IsAbs(value) {
			errs = append(errs, fmt.Errorf("%s must be an absolute path", flag))
		}
	}
	return errors.Join(errs...)
}
