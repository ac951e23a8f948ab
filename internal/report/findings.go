package report

import "slices"

// The levels that are counted on their own.
const (
	levelError   = "error"
	levelWarning = "warning"
)

// RuleFindings are the findings of one rule.
type RuleFindings struct {
	Rule     string    `json:"rule"`
	Level    string    `json:"level"`
	Summary  string    `json:"summary"`
	Findings []Finding `json:"findings"`
}

// Finding is a mistake in one certificate or definition.
type Finding struct {
	// Certificate and SHA256 are empty if the finding is not about a certificate.
	Certificate string `json:"certificate,omitempty"`
	SHA256      string `json:"sha256,omitempty"`
	Detail      string `json:"detail"`
	// Places are where the mistake is: a certificate is often in many bundles.
	Places []string `json:"places"`
}

// mistake identifies findings that differ only in their place.
type mistake struct{ sha256, detail string }

// ruleFindings groups the findings by rule, in the order of the rules, and then by mistake.
func ruleFindings(in Input) []RuleFindings {
	byRule, rules := map[string][]InputFinding{}, slices.Clone(in.Rules)
	for _, f := range in.Findings {
		byRule[f.Rule] = append(byRule[f.Rule], f)
		if !slices.ContainsFunc(rules, func(r Rule) bool { return r.ID == f.Rule }) {
			rules = append(rules, Rule{ID: f.Rule}) // no finding is lost
		}
	}
	result := []RuleFindings{}
	for _, rule := range rules {
		if findings := byRule[rule.ID]; len(findings) > 0 {
			result = append(result, RuleFindings{
				Rule: clean(rule.ID), Level: clean(rule.Level), Summary: clean(rule.Summary), Findings: merge(findings),
			})
		}
	}
	return result
}

// merge returns each mistake once, with all its places.
func merge(in []InputFinding) []Finding {
	var result []Finding
	positions := map[mistake]int{}
	for _, f := range in {
		id := mistake{f.SHA256, f.Detail}
		if f.SHA256 == "" {
			id.sha256 = f.Bundle + f.Where // without a certificate, only the place distinguishes mistakes
		}
		at, ok := positions[id]
		if !ok {
			at = len(result)
			positions[id] = at
			result = append(result, Finding{Certificate: clean(f.Certificate), SHA256: clean(f.SHA256), Detail: clean(f.Detail), Places: []string{}})
		}
		if place := clean(placeOf(f)); place != "" && !slices.Contains(result[at].Places, place) {
			result[at].Places = append(result[at].Places, place)
		}
	}
	return result
}

// placeOf returns the bundle and the place in it.
func placeOf(f InputFinding) string {
	if f.Bundle == "" || f.Where == "" {
		return f.Bundle + f.Where
	}
	return f.Bundle + ", " + f.Where
}
