package cli

import (
	"testing"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
)

// L12: the next command has the flags that were given, as a shell reads them, and no secret.
func TestGivenFlags(t *testing.T) {
	t.Parallel()
	command := rotatePlanCommand(genericiooptions.NewTestIOStreamsDiscard(), clock.RealClock{})
	err := command.ParseFlags([]string{
		"--from", "Corporate's Root", "--to=new.pem", "--host", "a:443,b", "--host", "[::1]:443", "--token", "canary",
		"-o", "json", "--filter-non-ca-certs", "--kubeconfig", "",
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `--filter-non-ca-certs=true --from 'Corporate'\''s Root' --host a:443 --host b --host '[::1]:443' --kubeconfig '' --to new.pem`
	if got := givenFlags(command, "output"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := givenFlags(&cobra.Command{}); got != "" {
		t.Errorf("%q, want nothing", got)
	}
}

func TestCheckStandardInput(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		values []string
		want   bool
	}{{[]string{"a", "-"}, true}, {[]string{"-", "b"}, true}, {[]string{"a", "a"}, true}, {[]string{"-", "-"}, false}} {
		if got := checkStandardInput(tc.values...) == nil; got != tc.want {
			t.Errorf("%q: %v, want %v", tc.values, got, tc.want)
		}
	}
}
