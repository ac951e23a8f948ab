package server

import (
	"net"
	"net/http"
	"slices"
	"testing"
)

// connection notes that it was closed.
type connection struct {
	net.Conn
	name   string
	closed *[]string
}

func (c *connection) Close() error {
	*c.closed = append(*c.closed, c.name)
	return nil
}

// Who makes room for one connection more, of three at most.
func TestCrowd(t *testing.T) {
	t.Parallel()
	const fresh, active, idle, closed = http.StateNew, http.StateActive, http.StateIdle, http.StateClosed
	type step struct {
		name  string
		state http.ConnState
	}
	for name, tc := range map[string]struct {
		steps []step
		want  []string
	}{
		"there is room":                  {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}}, nil},
		"one has ended":                  {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"a", closed}, {"d", fresh}}, nil},
		"the oldest that is new":         {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"d", fresh}}, []string{"a"}},
		"one after the other":            {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"d", fresh}, {"e", fresh}}, []string{"a", "b"}},
		"a new one before idle":          {[]step{{"a", fresh}, {"a", active}, {"a", idle}, {"b", fresh}, {"b", active}, {"b", idle}, {"c", fresh}, {"d", fresh}}, []string{"c"}},
		"an idle before an active":       {[]step{{"a", fresh}, {"a", active}, {"b", fresh}, {"b", active}, {"b", idle}, {"c", fresh}, {"c", active}, {"c", idle}, {"a", idle}, {"a", active}, {"b", active}, {"d", fresh}}, []string{"a"}},
		"of the state in which most are": {[]step{{"a", fresh}, {"a", active}, {"a", idle}, {"b", fresh}, {"b", active}, {"c", fresh}, {"c", active}, {"d", fresh}}, []string{"b"}},
		"the idle for longest": {[]step{{"a", fresh}, {"a", active}, {"a", idle}, {"b", fresh}, {"b", active}, {"b", idle}, {"c", fresh}, {"c", active}, {"c", idle},
			{"a", active}, {"a", idle}, {"d", fresh}}, []string{"b"}},
		"the active for longest": {[]step{{"a", fresh}, {"b", fresh}, {"b", active}, {"a", active}, {"c", fresh}, {"c", active}, {"d", fresh}}, []string{"b"}},
		"one that was cut off ends": {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"d", fresh}, {"a", closed}, {"b", closed}, {"e", fresh}},
			[]string{"a"}},
		"one that was cut off has nobody go": {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"d", fresh}, {"a", active}, {"a", idle}}, []string{"a"}},
		"one that was cut off comes alive": {[]step{{"a", fresh}, {"b", fresh}, {"c", fresh}, {"d", fresh}, {"a", active}, {"a", closed}, {"e", fresh}},
			[]string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var closed []string
			connections := map[string]*connection{}
			crowd := newCrowd(3)
			for _, step := range tc.steps {
				if connections[step.name] == nil {
					connections[step.name] = &connection{name: step.name, closed: &closed}
				}
				crowd.follow(connections[step.name], step.state)
				if len(crowd.places) > 3 {
					t.Errorf("%d connections after %v", len(crowd.places), step)
				}
			}
			if !slices.Equal(closed, tc.want) {
				t.Errorf("closed %q, want %q", closed, tc.want)
			}
		})
	}
}
