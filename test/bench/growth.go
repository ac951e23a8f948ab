package main

import "fmt"

// tolerance is by how much a figure may be above the growth that is allowed.
const tolerance = 1.10

// growths gives the lines of the table of growth, from each size to the next: how
// a figure has grown, and how the raw client's has. Linear growth counts for each
// namespace. Where the API server's own time grows faster than that, the operator's
// may as well, since it cannot be faster.
func (r *report) growths() [][]string {
	lines := [][]string{{"work", "from", "to", "may grow", "operator", "raw limit", "holds"}}
	before := map[string]result{}
	for _, one := range r.Results {
		small, ok := before[one.Row+one.Work]
		before[one.Row+one.Work] = one
		if !ok || one.Growth == "" || small.Value <= 0 {
			continue
		}
		allowed, most, raw := one.allowed(small), one.allowed(small), ""
		if small.Raw > 0 {
			most = max(allowed, one.Raw/small.Raw)
			raw = fmt.Sprintf("× %.2f", one.Raw/small.Raw)
		}
		factor := one.Value / small.Value
		lines = append(lines, []string{
			one.Work, fmt.Sprint(small.Namespaces), fmt.Sprint(one.Namespaces), fmt.Sprintf("× %.2f", allowed),
			fmt.Sprintf("× %.2f", factor), raw, verdict(factor <= most*tolerance),
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
