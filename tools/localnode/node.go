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

// Options say what a node runs.
type Options struct {
	// Name is that of the Node.
	Name string
	// Namespace is the only one whose pods are run; all if empty.
	Namespace string
	// Images is the folder of the OCI archives, and Dir that of the node's files.
	Images, Dir string
	// Arguments are appended to the command line of each main container: they say
	// what a container finds in its file system and a process cannot. $(NAME) in them
	// is a variable of the process, such as KUBECONFIG.
	Arguments []string
}

// Node runs pods.
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

// running is a pod that was taken on.
type running struct {
	stop context.CancelFunc
	// leaving is whether its end was begun.
	leaving bool
	done    chan struct{}
}

// Run is a node until the context ends; then its processes are stopped. What it does
// is told to log.
func Run(ctx context.Context, config *rest.Config, options Options, log *slog.Logger) error {
	address, err := machineAddress()
	if err != nil {
		return err
	}
	n := &Node{
		options: options, server: config.Host, address: address, log: log, ending: ctx.Done(),
		starter: newStarter(), turns: newTurns(), running: map[types.UID]*running{},
		// A probe asks a process, not somebody by that name.
		prober: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}},
	}
	held, err := n.connect(config)
	if err != nil {
		return err
	}
	defer n.group.Wait() // for the processes to end
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 2)
	go func() { failed <- held.Start(ctx) }()
	if err := n.register(ctx); err != nil {
		return err
	}
	go func() { failed <- n.beat(ctx) }()
	if err := n.watch(ctx, held); err != nil {
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

// connect makes the client, which reads pods, Secrets and ConfigMaps from a cache.
func (n *Node) connect(config *rest.Config) (cache.Cache, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server has a limit of its own
	caching := cache.Options{Scheme: scheme.Scheme}
	if n.options.Namespace != "" {
		caching.DefaultNamespaces = map[string]cache.Config{n.options.Namespace: {}}
	}
	held, err := cache.New(config, caching)
	if err != nil {
		return nil, err
	}
	n.objects, err = client.New(config, client.Options{Scheme: scheme.Scheme, Cache: &client.CacheOptions{
		Reader: held, DisableFor: []client.Object{&corev1.Node{}},
	}})
	return held, err
}

// Validate tells what is missing in the options.
func (o Options) Validate() error {
	var missing []error
	for flag, value := range map[string]string{"--name": o.Name, "--images": o.Images, "--dir": o.Dir} {
		if value == "" {
			missing = append(missing, fmt.Errorf("%s is missing", flag))
		} else if flag != "--name" && !filepath.IsAbs(value) {
			missing = append(missing, fmt.Errorf("%s must be an absolute path", flag))
		}
	}
	return errors.Join(missing...)
}
