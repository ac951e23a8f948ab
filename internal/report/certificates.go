package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Certificate is a certificate that at least one bundle has.
type Certificate struct {
	Subject   string     `json:"subject"`
	SHA256    string     `json:"sha256"`
	NotBefore *time.Time `json:"notBefore,omitempty"`
	NotAfter  time.Time  `json:"notAfter"`
	// DaysLeft is the number of whole days until NotAfter. It is negative after that.
	DaysLeft int `json:"daysLeft"`
	// Bundles are the kinds and names of the bundles that have the certificate.
	Bundles []string `json:"bundles"`
	// Origins are the texts that it was read from.
	Origins []string `json:"origins"`
	// Retained has the bundles that retain it after it has left every source.
	Retained []Retention `json:"retained,omitempty"`
}

// Retention is until when a bundle retains a certificate.
type Retention struct {
	Bundle string    `json:"bundle"`
	Until  time.Time `json:"until"`
}

// Origin is the text that a certificate was read from, and its place there.
type Origin struct {
	// Field is the path of the source in the definition of the bundle.
	Field string `json:"field"`
	// Object is the object that has the text, or empty for text in the definition itself.
	Object string `json:"object,omitempty"`
	Key    string `json:"key,omitempty"`
	// Block is the number of the PEM block in the text, counted from 1, or 0 if it is unknown.
	Block int `json:"block,omitempty"`
}

func (o Origin) clean() Origin {
	return Origin{Field: clean(o.Field), Object: clean(o.Object), Key: clean(o.Key), Block: o.Block}
}

// in returns the origin for people. Text in the definition is in the bundle that it is read from.
func (o Origin) in(bundle string) string {
	parts := []string{o.Object}
	if o.Object == "" {
		parts = []string{bundle, o.Field}
	}
	if o.Key != "" {
		parts = append(parts, "key "+o.Key)
	}
	if o.Block > 0 {
		parts = append(parts, "block "+strconv.Itoa(o.Block))
	}
	return clean(strings.Join(parts, ", "))
}

// certificates returns the certificates of all bundles, those that expire first at the start.
func certificates(in Input) []Certificate {
	result := []Certificate{}
	positions := map[string]int{}
	for i := range in.Bundles {
		b := &in.Bundles[i]
		for j := range b.Certificates {
			c := &b.Certificates[j]
			at, ok := positions[c.SHA256]
			if !ok {
				at = len(result)
				positions[c.SHA256] = at
				result = append(result, Certificate{
					Subject: clean(c.Subject), SHA256: clean(c.SHA256), NotBefore: wholeOrNil(c.NotBefore), NotAfter: whole(c.NotAfter),
					DaysLeft: daysBetween(in.Time, c.NotAfter), Origins: []string{},
				})
			}
			result[at].add(b, c)
		}
	}
	slices.SortFunc(result, func(a, b Certificate) int {
		return cmp.Or(a.NotAfter.Compare(b.NotAfter), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.SHA256, b.SHA256))
	})
	return result
}

// add adds an occurrence of the certificate in a bundle.
func (c *Certificate) add(b *InputBundle, occurrence *InputCertificate) {
	c.Bundles = append(c.Bundles, b.title())
	if occurrence.RetainedUntil != nil {
		c.Retained = append(c.Retained, Retention{Bundle: b.title(), Until: whole(*occurrence.RetainedUntil)})
		return
	}
	if origin := occurrence.in(b.title()); !slices.Contains(c.Origins, origin) {
		c.Origins = append(c.Origins, origin)
	}
}

// expiry returns when the certificate expires.
func (c *Certificate) expiry() Expiry {
	return Expiry{Subject: c.Subject, SHA256: c.SHA256, NotAfter: c.NotAfter, DaysLeft: c.DaysLeft}
}
