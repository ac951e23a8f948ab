package main

import (
	"strings"
	"testing"
)

// The verdicts on what is right or wrong in general: a test of the operator uses the program
// on the statuses that it writes.
func TestJudge(t *testing.T) {
	t.Parallel()
	const (
		synced = `{"type":"Synced","status":"True","observedGeneration":1}`
		ready  = `{"type":"Ready","status":"True","observedGeneration":1}`
	)
	for name, tc := range map[string]struct{ metadata, status, want string }{
		"no status":     {``, `{}`, `"kstatus":"Current","message":"Resource is current","health":"Progressing"`},
		"not observed":  {``, `{"observedGeneration":-1}`, `"kstatus":"InProgress",`},
		"ready":         {``, `{"observedGeneration":1,"conditions":[` + synced + `,` + ready + `]}`, `"kstatus":"Current","message":"Resource is Ready","health":"Healthy"`},
		"not synced":    {``, `{"conditions":[{"type":"Synced","status":"False"}]}`, `"health":"Degraded"`},
		"stalled":       {``, `{"conditions":[{"type":"Stalled","status":"True","message":"m"}]}`, `"kstatus":"Failed","message":"m","health":"Progressing"`},
		"being deleted": {`,"deletionTimestamp":"2026-01-01T00:00:00Z"`, `{"conditions":[` + synced + `]}`, `"kstatus":"Terminating",`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			object := `{"apiVersion":"example.com/v1","kind":"Bundle","metadata":{"name":"b","generation":1` + tc.metadata + `},"status":` + tc.status + `}`
			if err := run(strings.NewReader(object+"\n"), &out); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), tc.want) || strings.Count(out.String(), "\n") != 1 {
				t.Errorf("it prints %s, want %s", out.String(), tc.want)
			}
		})
	}
	if err := run(strings.NewReader("{"), &strings.Builder{}); err == nil {
		t.Error("half an object is no error")
	}
}
