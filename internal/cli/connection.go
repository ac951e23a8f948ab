package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/source"
	"trust-manager.io/internal/survey"
)

// clusterFlags are the flags of commands that read a cluster: kubectl's own, and those that describe
// how the operator runs.
type clusterFlags struct {
	*genericclioptions.ConfigFlags
	operatorFlags
}

func newClusterFlags() *clusterFlags {
	return &clusterFlags{ConfigFlags: genericclioptions.NewConfigFlags(true)}
}

// add adds the flags to a command.
func (f *clusterFlags) add(command *cobra.Command) {
	f.addConnection(command)
	f.operatorFlags.add(command)
}

// addConnection adds kubectl's own flags to a command. Its help shows the most common ones.
func (f *clusterFlags) addConnection(command *cobra.Command) {
	shown := []string{"context", "kubeconfig", "namespace"}
	scratch := &cobra.Command{}
	f.AddFlags(scratch.Flags())
	scratch.Flags().SortFlags = false
	for _, flag := range flagsOf(scratch.Flags().VisitAll) {
		flag.Hidden = !slices.Contains(shown, flag.Name)
		command.Flags().AddFlag(flag)
	}
}

// withoutNamespace hides and rejects the flag --namespace of a command for which it has no meaning.
// It comes after the other flags.
func (f *clusterFlags) withoutNamespace(command *cobra.Command) {
	command.Flags().Lookup("namespace").Hidden = true
	next := command.PreRunE
	command.PreRunE = func(command *cobra.Command, args []string) error {
		if err := rejectNamespace(command); err != nil || next == nil {
			return err
		}
		return next(command, args)
	}
}

// rejectNamespace returns an error if the flag --namespace is given.
func rejectNamespace(command *cobra.Command) error {
	if command.Flags().Changed("namespace") {
		return usagef("--namespace has no meaning here")
	}
	return nil
}

// givenNamespace returns the namespace that the user gives, or "".
func (f *clusterFlags) givenNamespace() string {
	if f.Namespace == nil {
		return ""
	}
	return *f.Namespace
}

// withNamespaceHint adds the flag --namespace to the error about an object that the trust namespace does
// not have, unless the flag is given.
func (f *clusterFlags) withNamespaceHint(err error, kind string) error {
	isNamespaced := kind == bundle.ConfigMap.String() || kind == bundle.Secret.String()
	if !isNamespaced || !apierrors.IsNotFound(err) || f.givenNamespace() != "" {
		return err
	}
	return fmt.Errorf("%w (give --namespace)", err)
}

// flagsOf returns the flags that a function visits.
func flagsOf[flag any](visit func(func(flag))) (flags []flag) {
	visit(func(f flag) { flags = append(flags, f) })
	return flags
}

// operatorFlags describe how the operator runs: they are its own flags of the same names.
type operatorFlags struct {
	defaultPackage string
	trustNamespace string
	filterExpired  bool
	filterNonCA    bool
	// defaultCAs is the default CA package; nil if none is given.
	defaultCAs *source.DefaultCAs
}

// add adds the flags to a command. They are checked before it runs.
func (f *operatorFlags) add(command *cobra.Command) {
	command.PreRunE = func(*cobra.Command, []string) error { return f.load() }
	flags := command.Flags()
	flags.StringVar(&f.defaultPackage, "default-package", "", "the default CA package, a JSON file, for Bundles that use the default CAs")
	flags.StringVar(&f.trustNamespace, "trust-namespace", "cert-manager", "the namespace of the sources, as in the operator's flag")
	flags.BoolVar(&f.filterExpired, "filter-expired-certificates", false, "drop expired certificates, as the operator's flag does")
	flags.BoolVar(&f.filterNonCA, "filter-non-ca-certs", false, "drop certificates that are not a CA, as the operator's flag does")
}

// load loads the default CA package if there is one.
func (f *operatorFlags) load() (err error) {
	if f.defaultPackage == "" {
		return nil
	}
	if _, err := os.Stat(f.defaultPackage); err != nil {
		return fmt.Errorf("--default-package: %w", withoutOperation(err))
	}
	if f.defaultCAs, err = source.LoadDefaultCAs(f.defaultPackage); err != nil {
		return fmt.Errorf("--default-package: %w", err)
	}
	return nil
}

// withoutOperation returns an error of the file system without the name of the system call.
func withoutOperation(err error) error {
	var failure *fs.PathError
	if errors.As(err, &failure) {
		return fmt.Errorf("%s: %w", failure.Path, failure.Err)
	}
	return err
}

// filter returns what the operator filters unless a Bundle says otherwise.
func (f *operatorFlags) filter() (filter bundle.Filter) {
	if f.filterExpired {
		filter.Expired = bundle.Drop
	}
	if f.filterNonCA {
		filter.NonCA = bundle.Drop
	}
	return filter
}

// connection is a connection to a cluster.
type connection struct {
	rest *rest.Config
	client.Client
}

// The limits of requests to the API server: a command sends few, but not one after another.
const (
	requestsPerSecond = 100
	requestBurst      = 200
)

// connect returns a connection. It sends no request.
func (f *clusterFlags) connect() (*connection, error) {
	config, err := f.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = requestsPerSecond, requestBurst
	config.WarningHandler = rest.NoWarnings{}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), apis.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	mapper, err := f.ToRESTMapper()
	if err != nil {
		return nil, err
	}
	connected, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	return &connection{rest: config, Client: connected}, nil
}

// survey returns the bundles of the cluster. The sources are read from the cluster unless a reader
// of them is given.
func (f *clusterFlags) survey(connected *connection, sources client.Reader, clock clock.PassiveClock) *survey.Cluster {
	if sources == nil {
		sources = connected
	}
	return survey.NewCluster(survey.Config{
		Live: connected, Sources: sources, TrustNamespace: f.trustNamespace,
		DefaultCAs: f.defaultCAs, Filter: f.filter(), Clock: clock,
	})
}
