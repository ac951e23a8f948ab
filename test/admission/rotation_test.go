package admission_test

import (
	"strings"
	"testing"
)

// K5: the validation of a rotation.
func TestRotation(t *testing.T) {
	spec := func(rotation string) string { return "sources: [{inLine: x}]\nrotation: {" + rotation + "}" }
	rules := map[string]pair{
		"K5 a rotation has a duration": {
			valid: spec(`retain: 72h`), invalid: spec(`maxRetained: 3`), at: "spec.rotation.retain", says: "Required value",
		},
		"K5 retain is a string": {
			valid: spec(`retain: "72h"`), invalid: spec(`retain: 72`), at: "spec.rotation.retain", says: "must be of type string",
		},
		"K5 maxRetained is at least 1": {
			valid: spec(`retain: 72h, maxRetained: 1`), invalid: spec(`retain: 72h, maxRetained: 0`),
			at: "spec.rotation.maxRetained", says: "greater than or equal to 1",
		},
		"K5 maxRetained is at most 100": {
			valid: spec(`retain: 72h, maxRetained: 100`), invalid: spec(`retain: 72h, maxRetained: 101`),
			at: "spec.rotation.maxRetained", says: "less than or equal to 100",
		},
	}
	for valid, invalid := range map[string]string{
		"1s": "0s", "1000ms": "999ms", "0.0003h": "0.0002h", "99999999ms": "999999999h", "8760h": "8760h1s", "1h30m": "-1h", "0.5h": "72", "90m": "3d", "1h1m1s": "h", "525600m": "525601m", "2h": "2h ", "3h": "1us",
	} {
		rules["K5 "+valid+" is how long, and "+invalid+" is not"] = pair{
			valid: spec(`retain: "` + valid + `"`), invalid: spec(`retain: "` + invalid + `"`),
			at: "spec.rotation.retain", says: "a duration such as 72h",
		}
	}
	rules["K5 retain is not empty"] = pair{
		valid: spec(`retain: 1h`), invalid: spec(`retain: ""`), at: "spec.rotation.retain", says: "a duration such as 72h",
	}
	rules["K5 retain has at most 32 characters"] = pair{
		valid: spec(`retain: "` + strings.Repeat("1h", 16) + `"`), invalid: spec(`retain: "` + strings.Repeat("1h", 17) + `"`),
		at: "spec.rotation.retain", says: "32",
	}
	checkPairs(t, rules)
}
