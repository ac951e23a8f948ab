package admission_test

import "testing"

// K2: the validation of a Bundle's filters.
func TestFilters(t *testing.T) {
	spec := func(filters string) string { return "sources: [{inLine: x}]\nfilters: {" + filters + "}" }
	rules := map[string]pair{
		"K2 filters are an object": {
			valid:   spec(``),
			invalid: "sources: [{inLine: x}]\nfilters: Drop",
			at:      "spec.filters", says: "must be of type object",
		},
	}
	for _, filter := range []string{"expired", "notCA", "notSelfSigned"} {
		for _, action := range []string{"Keep", "Drop", "Reject"} {
			rules["K2 "+filter+": "+action] = pair{
				valid:   spec(filter + ": " + action),
				invalid: spec(filter + ": " + action + "s"),
				at:      "spec.filters." + filter, says: "supported values",
			}
		}
	}
	checkPairs(t, rules)
}
