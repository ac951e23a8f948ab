package lint

import "fmt"

// Level is how serious a finding is.
type Level int

// The levels, in ascending order.
const (
	// Info: it is worth knowing.
	Info Level = iota + 1
	// Warning: it works, but is usually a mistake.
	Warning
	// Error: it does not work, or trust or a key is at risk.
	Error
)

// String returns the level in lower case.
func (l Level) String() string {
	switch l {
	case Info:
		return "info"
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return ""
}

// ParseLevel returns the level of a name.
func ParseLevel(name string) (Level, error) {
	for level := Info; level <= Error; level++ {
		if level.String() == name {
			return level, nil
		}
	}
	return 0, fmt.Errorf("%q is not one of error, warning, info", name)
}
