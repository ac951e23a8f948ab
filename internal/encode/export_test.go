package encode

// What tests look at from outside, beside the files: the two rules that names
// are made by.
var (
	Subject = subject
	Lower   = lower
)
