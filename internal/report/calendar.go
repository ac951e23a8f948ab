package report

import (
	"strconv"
	"time"
)

// detailedMonths is how many months of the calendar are periods of their own, from the current one:
// a CA is usually replaced within three years.
const detailedMonths = 36

// expiredPeriod is the name of the first period.
const expiredPeriod = "expired"

// Period is a period in which certificates expire.
type Period struct {
	// Name is "expired", a month such as "2027-01", or a year such as "2031". The months of a
	// year that are periods of their own do not count in the year.
	Name string `json:"name"`
	// Certificates are ordered by expiry.
	Certificates []Expiry `json:"certificates"`
}

// calendar returns the periods in which certificates expire. The certificates are ordered by
// expiry, and so are the periods.
func calendar(certificates []Certificate, now time.Time) []Period {
	periods := []Period{}
	for i := range certificates {
		c := &certificates[i]
		name := periodOf(c.NotAfter, now)
		if last := len(periods) - 1; last < 0 || periods[last].Name != name {
			periods = append(periods, Period{Name: name})
		}
		last := &periods[len(periods)-1]
		last.Certificates = append(last.Certificates, c.expiry())
	}
	return periods
}

// periodOf returns the name of the period of a time.
func periodOf(at, now time.Time) string {
	switch {
	case at.Before(now):
		return expiredPeriod
	case monthOf(at)-monthOf(now) < detailedMonths:
		return at.Format("2006-01")
	}
	return strconv.Itoa(at.Year())
}

// monthOf returns the number of a month, counted through the years.
func monthOf(at time.Time) int { return at.Year()*12 + int(at.Month()) - 1 }
