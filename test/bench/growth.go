package main

import "fmt"

// tolerance is the factor by which a figure may exceed its allowed growth.
const tolerance = 1.10

// growths returns the lines of the table of growth from one size to the others, which is 500
// namespaces or, for smaller sizes, the previous one: the growth of a figure, of the raw client's, and of their ratio. Linear growth
// is relative to the number of namespaces. If the API server's own time grows
// faster than allowed, the operator cannot be faster, and only the ratio may not
// grow.
func (r *report) growths() [][]string {
	lines := [][]string{{"work", "from", "to", "may grow", "operator", "raw limit", "ratio", "holds"}}
	before := map[string]result{}
	for _, large := range r.Results {
		small, ok := before[large.Row+large.Work]
		if !ok || large.Namespaces <= quickSize {
			before[large.Row+large.Work] = large
		}
		if !ok || large.Growth == "" || small.Value <= 0 {
			continue
		}
		allowed, factor := large.allowed(small), large.Value/small.Value
		holds, raw, ratio := factor <= allowed*tolerance, "", ""
		if small.Raw > 0 && small.Ratio > 0 {
			slower, grown := large.Raw/small.Raw, large.Ratio/small.Ratio
			holds = holds || slower > allowed && grown <= tolerance
			raw, ratio = fmt.Sprintf("× %.2f", slower), fmt.Sprintf("× %.2f", grown)
		}
		lines = append(lines, []string{
			large.Work, fmt.Sprint(small.Namespaces), fmt.Sprint(large.Namespaces), fmt.Sprintf("× %.2f", allowed),
			fmt.Sprintf("× %.2f", factor), raw, ratio, verdict(holds),
		})
	}
	return lines
}

// allowed returns the factor by which a result may exceed that for fewer
// namespaces.
func (r *result) allowed(small result) float64 {
	if r.Growth == linear {
		return float64(r.Namespaces) / float64(small.Namespaces)
	}
	return 1
}
