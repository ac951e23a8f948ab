package certs_test

import (
	"testing"

	"trust-manager.io/internal/certs"
)

// S5: a message names the object, the key and the block.
func TestProblemNamesItsOrigin(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		origin certs.Origin
		want   string
	}{
		"a block of an object": {
			certs.Origin{Field: "spec.sources[2].configMap", Object: "ConfigMap cert-manager/roots", Key: "ca.crt", Block: 3},
			`spec.sources[2].configMap: ConfigMap cert-manager/roots, key "ca.crt", block 3: damaged`,
		},
		"a whole key": {
			certs.Origin{Field: "spec.sources[0].secret", Object: "Secret cert-manager/roots", Key: "ca.crt"},
			`spec.sources[0].secret: Secret cert-manager/roots, key "ca.crt": damaged`,
		},
		"a whole object": {
			certs.Origin{Field: "spec.sources[0].secret", Object: "Secret cert-manager/roots"},
			`spec.sources[0].secret: Secret cert-manager/roots: damaged`,
		},
		"a block of the Bundle itself": {
			certs.Origin{Field: "spec.sources[1].inLine", Block: 12},
			`spec.sources[1].inLine: block 12: damaged`,
		},
		"a source":      {certs.Origin{Field: "spec.sources[1].useDefaultCAs"}, `spec.sources[1].useDefaultCAs: damaged`},
		"a block alone": {certs.Origin{Block: 1}, `block 1: damaged`},
		"no origin":     {certs.Origin{}, `damaged`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problem := &certs.Problem{Origin: tc.origin, Reason: certs.SourceBuildError, Detail: "damaged"}
			if got := problem.Error(); got != tc.want {
				t.Errorf("message %q, want %q", got, tc.want)
			}
		})
	}
}

// Scripts compare against these words.
func TestReasons(t *testing.T) {
	t.Parallel()
	if certs.SourceNotFound != "SourceNotFound" || certs.SourceBuildError != "SourceBuildError" {
		t.Errorf("reasons %q and %q", certs.SourceNotFound, certs.SourceBuildError)
	}
}
