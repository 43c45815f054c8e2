package cli

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/ringway/ringway/gateway"
	"github.com/ringway/ringway/sys"
)

// version is set by the linker (-X); a build without it takes what the module knows.
var version string

func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v, revision := info.Main.Version, ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			revision = " " + s.Value[:12]
		}
	}
	return v + revision
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the kernel, and the driver that would be used here",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, driver, err := gateway.ChooseDriver(gateway.Auto, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "ringway %s\ngo      %s %s/%s\nkernel  %s\ndriver  %s\n", buildVersion(), runtime.Version(),
				runtime.GOOS, runtime.GOARCH, sys.Kernel(), driver)
			return nil
		},
	}
}
