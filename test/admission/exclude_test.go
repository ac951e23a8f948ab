package admission_test

import (
	"strings"
	"testing"
)

// K3: the validation of an exclusion.
func TestExclude(t *testing.T) {
	spec := func(exclude string) string { return "sources: [{inLine: x}]\nexclude: [" + exclude + "]" }
	digits := strings.Repeat("0aF9", 16)
	colons := strings.TrimSuffix(strings.Repeat("0a:F9:", 16), ":")
	const oneOf = "exactly one of sha256, publicKeySHA256 and subject"
	rules := map[string]pair{
		"K3 an exclusion names something": {
			valid: spec(`{subject: "CN=a", comment: why}`), invalid: spec(`{subject: "CN=a"}, {comment: why}`),
			at: "spec.exclude[1]", says: oneOf,
		},
		"K3 an exclusion names one thing": {
			valid: spec(`{sha256: "` + digits + `"}, {subject: "CN=a"}`), invalid: spec(`{sha256: "` + digits + `", subject: "CN=a"}`),
			at: "spec.exclude[0]", says: oneOf,
		},
		"K3 an exclusion names a certificate or a key": {
			valid: spec(`{publicKeySHA256: "` + digits + `"}`), invalid: spec(`{sha256: "` + digits + `", publicKeySHA256: "` + digits + `"}`),
			at: "spec.exclude[0]", says: oneOf,
		},
		"K3 a subject is not empty": {
			valid: spec(`{subject: "x"}`), invalid: spec(`{subject: ""}`),
			at: "spec.exclude[0].subject", says: "at least 1 char",
		},
		"K3 a subject has at most 1024 characters": {
			valid: spec(`{subject: ` + text(1024) + `}`), invalid: spec(`{subject: ` + text(1025) + `}`),
			at: "spec.exclude[0].subject", says: "1024",
		},
		"K3 a comment has at most 256 characters": {
			valid: spec(`{subject: x, comment: ` + text(256) + `}`), invalid: spec(`{subject: x, comment: ` + text(257) + `}`),
			at: "spec.exclude[0].comment", says: "256",
		},
		"K3 at most 100 exclusions": {
			valid: spec(strings.Repeat(`{subject: x}, `, 100)), invalid: spec(strings.Repeat(`{subject: x}, `, 101)),
			at: "spec.exclude", says: "100",
		},
	}
	for _, field := range []string{"sha256", "publicKeySHA256"} {
		one := func(value string) string { return spec(`{` + field + `: "` + value + `"}`) }
		for what, invalid := range map[string]string{
			"too short": digits[:62], "too long": digits + "00", "no digits": digits[:62] + "gg", "half a pair": digits[:63],
			"a blank": digits[:62] + " 0", "a newline": digits + `\n`, "empty": "",
		} {
			rules["K3 "+field+" is a SHA-256: "+what] = pair{valid: one(digits), invalid: one(invalid), at: "spec.exclude[0]." + field, says: "64 hexadecimal digits"}
		}
		rules["K3 "+field+" may have colons between bytes"] = pair{
			valid: one(colons), invalid: one(digits[:61] + ":" + digits[61:]), at: "spec.exclude[0]." + field, says: "64 hexadecimal digits",
		}
	}
	checkPairs(t, rules)
}
