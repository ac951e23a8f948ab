package bundle

// Standing is what a bundle may do beside a superior one: one of another API kind that has its
// name and wants the same objects.
type Standing int

// The values of Standing.
const (
	// Active: it is built, and its targets are written.
	Active Standing = iota
	// Waiting: it is not known yet whether the superior one can be built. A bundle that is
	// active stays so; any other one does nothing.
	Waiting
	// Superseded: the superior one has taken the targets over, and this one does nothing.
	Superseded
)

// Rival describes the superior bundle.
type Rival struct {
	// HasTarget reports that it wants any objects.
	HasTarget bool
	// IsBuilt reports that it has been built by this process, or by an earlier one according
	// to its status. It keeps its targets afterwards, even while it cannot be built.
	IsBuilt bool
	// IsTried reports that this process has tried to build it.
	IsTried bool
	// IsDeleted reports that it is being deleted.
	IsDeleted bool
}

// StandingBeside returns the standing of a bundle beside a superior one, which is nil if it
// does not exist.
func StandingBeside(rival *Rival) Standing {
	switch {
	case rival == nil || !rival.HasTarget:
		return Active
	case rival.IsBuilt:
		return Superseded // until it is gone: garbage collection may still work on its targets
	case rival.IsTried || rival.IsDeleted:
		return Active
	}
	return Waiting
}
