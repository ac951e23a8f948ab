package cli

import (
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// checkStandardInput returns an error if several of the values are standard input.
func checkStandardInput(values ...string) error {
	first := slices.Index(values, "-")
	if first >= 0 && slices.Contains(values[first+1:], "-") {
		return usagef("standard input can be given once")
	}
	return nil
}

// isPlain matches arguments that a shell does not change.
var isPlain = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`).MatchString

// quote returns an argument as a shell reads it.
func quote(arg string) string {
	if isPlain(arg) {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

// secretFlags are the flags of kubectl whose values are not shown.
var secretFlags = []string{"token", "password"}

// givenFlags returns the flags that a user has given, without some, as a shell reads them.
func givenFlags(command *cobra.Command, without ...string) string {
	var args []string
	for _, flag := range flagsOf(command.Flags().Visit) {
		if slices.Contains(append(without, secretFlags...), flag.Name) {
			continue
		}
		values := []string{flag.Value.String()}
		if list, ok := flag.Value.(interface{ GetSlice() []string }); ok {
			values = list.GetSlice()
		}
		for _, value := range values {
			if flag.NoOptDefVal != "" { // its value may not follow after a space
				args = append(args, "--"+flag.Name+"="+quote(value))
			} else {
				args = append(args, "--"+flag.Name, quote(value))
			}
		}
	}
	return strings.Join(args, " ")
}
