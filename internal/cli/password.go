package cli

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// passwordVariable is the environment variable with the password of key stores. A flag would show it
// to all users of the machine.
const passwordVariable = "TRUST_STORE_PASSWORD"

// passwordFlags are the flags for the password of key stores.
type passwordFlags struct{ file string }

func (f *passwordFlags) add(command *cobra.Command) {
	command.Flags().StringVar(&f.file, "password-file", "", "the file with the password of key stores, on its first line; or set the variable "+passwordVariable)
}

// read returns the passwords to try, apart from common ones.
func (f *passwordFlags) read() (passwords []string, err error) {
	if password, ok := os.LookupEnv(passwordVariable); ok {
		passwords = append(passwords, password)
	}
	if f.file != "" {
		data, err := os.ReadFile(f.file)
		if err != nil {
			return nil, err
		}
		line, _, _ := strings.Cut(string(data), "\n")
		passwords = append(passwords, strings.TrimSuffix(line, "\r"))
	}
	return passwords, nil
}
