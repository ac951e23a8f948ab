package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"trust-manager.io/internal/capackage"
)

const mozillaHelp = `Build a package from Mozilla's list of roots for TLS servers, which the Go team
maintains in golang.org/x/crypto/x509roots/fallback. The list is part of this
program: nothing is downloaded, and a newer list needs a newer build. Roots keep
the order of the list.

Some roots are trusted only for certificates issued up to a distrust-after date. A
PEM bundle cannot express this, so such a root is either included or not
(--constrained):

  grace  included until 398 days after its date, counted to the date of the list:
         as long as certificates that it issued in time can still be valid
  keep   included, so certificates that it issues later are trusted, too
  drop   not included, so certificates that it issued in time are rejected, too

The affected roots are listed on standard error.`

func mozillaCommand() *cobra.Command {
	var p capackage.Package
	var out string
	constrained := grace
	command := &cobra.Command{
		Use:   "mozilla [--name NAME] [--version VERSION] [--constrained POLICY] [--out FILE]",
		Short: "Build a package from Mozilla's list of roots for TLS servers",
		Long:  mozillaHelp,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unexpected argument %q; the list is part of this program", args[0])
			}
			return nil
		},
		DisableFlagsInUseLine: true,
		RunE: func(command *cobra.Command, _ []string) error {
			info, _ := debug.ReadBuildInfo() // nil if unavailable
			selected, err := mozilla(&p, info, constrained)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprint(command.ErrOrStderr(), selected.report())
			return writePackage(command, p, selected.certificates, out)
		},
	}
	flags := command.Flags()
	flags.StringVar(&p.Name, "name", "mozilla", "name of the package")
	flags.StringVar(&p.Version, "version", "", "version of the package (default: the date of the list, as YYYYMMDD)")
	flags.Var(&constrained, "constrained", "roots with a distrust-after date: grace, keep or drop")
	addOutFlag(command, &out)
	return command
}

// mozilla selects roots from the list. If the package has no version, mozilla sets
// it to the date of the list, which it takes from info.
func mozilla(p *capackage.Package, info *debug.BuildInfo, constrained policy) (selection, error) {
	date, err := listDate(info)
	switch {
	case err == nil && p.Version == "":
		p.Version = date.Format("20060102")
	case err != nil && p.Version == "":
		return selection{}, fmt.Errorf("cannot derive the version of the package: %w; set it with --version", err)
	case err != nil && constrained == grace:
		return selection{}, fmt.Errorf("cannot apply --constrained=grace: %w; use --constrained=keep or drop", err)
	}
	return selectRoots(bundle.Roots(), constrained, date)
}
