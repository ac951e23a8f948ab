package main

import "fmt"

// tolerance is by how much a figure may be above the growth that is allowed.
const tolerance = 1.10

// growths gives the lines of the table of growth, from each size to the next: how
// a figure has grown, how the raw client's has, and how the ratio of the two. Linear
// growth counts for each namespace. Where the API server's own time grows faster than
// it may, the operator cannot be faster: then it is the ratio that may not grow.
func (r *report) growths() [][]string {
	lines := [][]string{{"work", "from", "to", "may grow", "operator", "raw limit", "ratio", "holds"}}
	before := map[string]result{}
	for _, one := range r.Results {
		small, ok := before[one.Row+one.Work]
		before[one.Row+one.Work] = one
		if !ok || one.Growth == "" || small.Value <= 0 {
			continue
		}
		allowed, factor := one.allowed(small), one.Value/small.Value
		holds, raw, ratio := factor <= allowed*tolerance, "", ""
		if small.Raw > 0 && small.Ratio > 0 {
			slower, grown := one.Raw/small.Raw, one.Ratio/small.Ratio
			holds = holds || slower > allowed && grown <= tolerance
			raw, ratio = fmt.Sprintf("× %.2f", slower), fmt.Sprintf("× %.2f", grown)
		}
		lines = append(lines, []string{
			one.Work, fmt.Sprint(small.Namespaces), fmt.Sprint(one.Namespaces), fmt.Sprintf("× %.2f", allowed),
			fmt.Sprintf("× %.2f", factor), raw, ratio, verdict(holds),
		})
	}
	return lines
}

// allowed is the factor by which a result may be above that for fewer namespaces.
func (r *result) allowed(small result) float64 {
	if r.Growth == linear {
		return float64(r.Namespaces) / float64(small.Namespaces)
	}
	return 1
}
